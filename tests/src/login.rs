//! Logs in through the relay's form, as a browser would: gets the page, keeps its cookie, sends the fields back with name
//! and password, and follows the redirect to the loopback address that the CLI listens on.

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{StatusCode, header};
use std::path::Path;

/// What came of a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The CLI was given its code.
    Done,
    /// The form came again, or the relay refused: the status.
    Refused(u16),
}

/// An HTTP client that trusts the relay's certificate authority only and follows nothing by itself.
///
/// # Errors
/// The file is no certificate.
pub fn browser(ca: &Path) -> Result<reqwest::Client> {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(ca)?)?;
    Ok(reqwest::Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none()).build()?)
}

/// Fills in the form at `url`.
///
/// # Errors
/// The pages are not as expected.
pub async fn drive(browser: &reqwest::Client, url: &str, user: &str, password: &str) -> Result<Outcome> {
    let to = match fill_in(browser, url, user, password).await? {
        Ok(to) => to,
        Err(status) => return Ok(Outcome::Refused(status)),
    };
    let done = reqwest::Client::new().get(to).send().await?;
    ensure!(done.status() == StatusCode::OK, "the CLI answers {}", done.status());
    Ok(Outcome::Done)
}

/// The same, without following: where the relay sends the browser, or the status of its refusal.
///
/// # Errors
/// The pages are not as expected.
pub async fn fill_in(browser: &reqwest::Client, url: &str, user: &str, password: &str) -> Result<Result<String, u16>> {
    let page = browser.get(url).send().await?;
    ensure!(page.status() == StatusCode::OK, "the login page answers {}", page.status());
    let cookie = page.headers().get(header::SET_COOKIE).context("no cookie")?.to_str()?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let body = page.text().await?;
    let mut fields = hidden_fields(&body);
    ensure!(fields.iter().any(|(name, _)| name == "csrf"), "no csrf field in {body}");
    fields.push(("user".into(), user.into()));
    fields.push(("password".into(), password.into()));

    let mut action = reqwest::Url::parse(url)?.join(attribute(&body, "<form", "action").context("no form")?)?;
    action.set_fragment(None);
    let answer = browser.post(action).header(header::COOKIE, cookie).form(&fields).send().await?;
    if !answer.status().is_redirection() {
        return Ok(Err(answer.status().as_u16()));
    }
    let to = answer.headers().get(header::LOCATION).context("no location")?.to_str()?;
    if !to.starts_with("http://127.0.0.1:") {
        bail!("redirects away from this machine: {to}");
    }
    Ok(Ok(to.to_owned()))
}

/// Types a device's code on the page at `url`, and decides as this user: what was shown before, and what was said after.
///
/// # Errors
/// The pages are not as expected.
pub async fn confirm(
    browser: &reqwest::Client,
    url: &str,
    code: &str,
    user: &str,
    password: &str,
    allow: bool,
) -> Result<(String, String)> {
    let ask = browser.get(url).send().await?;
    let (confirm, _) = submit(browser, ask, &[("user_code", code)]).await?;
    let decision = if allow { "allow" } else { "deny" };
    let (done, shown) =
        submit(browser, confirm, &[("user", user), ("password", password), ("decision", decision)]).await?;
    Ok((shown, done.text().await?))
}

/// Logs in to the relay's pages: the cookie of whoever has.
///
/// # Errors
/// The pages are not as expected.
pub async fn pages(browser: &reqwest::Client, relay: &str, user: &str, password: &str) -> Result<String> {
    let page = browser.get(format!("{relay}/login")).send().await?;
    let (answer, _) = submit(browser, page, &[("user", user), ("password", password)]).await?;
    let cookie = answer.headers().get(header::SET_COOKIE).context("no cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

/// Sends a page's form back with these fields; the answer, and the page.
async fn submit(
    browser: &reqwest::Client,
    page: reqwest::Response,
    more: &[(&str, &str)],
) -> Result<(reqwest::Response, String)> {
    let url = page.url().clone();
    let cookie = page.headers().get(header::SET_COOKIE).context("no cookie")?.to_str()?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let body = page.text().await?;
    let mut fields = hidden_fields(&body);
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let action = url.join(attribute(&body, "<form", "action").context("no form")?)?;
    Ok((browser.post(action).header(header::COOKIE, cookie).form(&fields).send().await?, body))
}

/// Name and value of each hidden field of a page.
#[must_use]
pub fn hidden_fields(page: &str) -> Vec<(String, String)> {
    page.split("<input type=\"hidden\"")
        .skip(1)
        .filter_map(|input| {
            let input = input.split('>').next()?;
            Some((value(input, "name")?.to_owned(), unescape(value(input, "value")?)))
        })
        .collect()
}

fn attribute<'a>(page: &'a str, tag: &str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(tag)?;
    value(rest.split('>').next()?, name)
}

fn value<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

fn unescape(text: &str) -> String {
    let named = [("&#38;", "&"), ("&#x2F;", "/"), ("&#47;", "/"), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

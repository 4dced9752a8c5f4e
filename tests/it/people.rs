//! People who log in at a provider: the real one with its login page in a browser, and a stand-in whose tokens are wrong.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{
    agent::Transport,
    federation::{Login, Provider, Visitor, audit, with_identity},
    lab::{Lab, output},
    login,
    stand_in::{StandIn, now, unsigned},
};

fn whoami(agent: &weir_tests::agent::Agent) -> Result<Value> {
    Ok(serde_json::from_str(&agent.weir(&["whoami", "--output", "json"])?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_in_at_a_real_provider() -> Result<()> {
    let mut lab = Lab::start().await?;
    let provider = Provider::start(&lab)?;
    lab.log = "trace".to_owned();
    lab.restart_with(|config| with_identity(&config, &provider.table(""))).await?;

    // Groups give roles, and the person is a user from then on.
    let ada = Login::begin(&lab, "ada")?;
    let page = provider.browse(&ada, "ada", &[])?;
    ensure!(page.starts_with("http://127.0.0.1:") && page.contains("You are logged in"), "{page}");
    let ada = ada.done()?;
    let who = whoami(&ada)?;
    ensure!(who.get("user") == Some(&json!("ada")) && who.get("roles") == Some(&json!(["user"])), "{who}");
    let shop = ada.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT count(*) FROM customers")? == "3", "no session");
    drop(shop);

    // The groups of each login count, also for who was there before; and keys that were changed are looked for.
    let accounts = provider.get("OIDC_ACCOUNTS");
    let promoted = std::fs::read_to_string(accounts)?
        .replace("\"groups\": [\"weir-users\"], \"email\": \"ada", "\"groups\": [\"dba\"], \"email\": \"ada");
    std::fs::write(accounts, promoted)?;
    provider.rotate()?;
    let again = Login::begin(&lab, "ada")?;
    provider.browse(&again, "ada", &[])?;
    ensure!(whoami(&again.done()?)?.get("roles") == Some(&json!(["dba"])), "the roles of the first login");

    // A machine without a browser: its code is confirmed by who logs in at the provider.
    let device = Login::begin_with(&lab, "device", &["--no-browser"])?;
    let page = provider.browse(&device, "grace", &[])?;
    ensure!(page.starts_with(lab.url()), "{page}");
    ensure!(whoami(&device.done()?)?.get("user") == Some(&json!("grace")), "another user");

    // Who is in no group, has a local user's name, gives up, or is disabled does not come in, and is told.
    lab.admin(&["user", "disable", "ada"])?;
    for (account, more, said) in [
        ("nobody", &[][..], "no group of yours may use weir here"),
        ("alice", &[], "the name alice is another user's here"),
        ("ada", &[], "you are kept out"),
        ("grace", &["abort"], "Test ID says: access_denied"),
    ] {
        let login = Login::begin(&lab, account)?;
        let page = provider.browse(&login, account, more)?;
        ensure!(page.contains("The login failed"), "{account}: {page}");
        let why = login.refused()?;
        ensure!(why.contains(said), "{account}: {why}");
    }
    ensure!(output(ada.command()?.arg("list"), None)?.status.code() == Some(4), "disabled, and still in");
    let log = audit(&lab)?;
    ensure!(log.contains("login.provider ada") && log.contains("the name is another user's"), "{log}");

    // What the relay told the provider in confidence is in no log of the relay's, however much it says, nor in its store.
    let secret = std::fs::read(provider.get("OIDC_SECRET_FILE"))?;
    for file in [lab.relay_log(), lab.relay_folder().join("weir.db"), lab.relay_folder().join("weir.db-wal")] {
        let bytes = std::fs::read(&file).unwrap_or_default();
        ensure!(!bytes.windows(secret.len()).any(|window| window == secret), "{} holds the secret", file.display());
    }
    ensure!(lab.admin(&["user", "passwd", "ada"]).is_err(), "a password for somebody of the provider's");

    // A local user still logs in; nobody does with a password at a name that the provider vouches for.
    lab.login("alice").await?;
    ensure!(lab.login("ada").await.is_err(), "a password opened the provider's user");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_right_lets_nobody_in() -> Result<()> {
    let mut lab = Lab::start().await?;
    let stand_in = StandIn::start()?;
    let table = format!(
        "[identity]\nlocal_users = false\n[identity.oidc]\nissuer = \"{}\"\nhttp = true\nclient_id = \"weir\"\n\
         client_secret = \"none\"\nroles = [\"user\"]\n",
        stand_in.url()
    );
    lab.restart_with(|config| with_identity(&config, &table)).await?;

    let (issuer, time) = (stand_in.url().to_owned(), now());
    let claims = move |nonce: &str| {
        json!({ "iss": issuer, "aud": "weir", "sub": "1", "preferred_username": "eve", "nonce": nonce,
            "iat": now(), "exp": now() + 60 })
    };
    let with = |name: &'static str, value: Value| {
        let claims = claims.clone();
        move |own: &StandIn, nonce: &str| {
            let mut claims = claims(nonce);
            claims.as_object_mut().map(|claims| claims.insert(name.to_owned(), value.clone()));
            own.sign(&claims)
        }
    };
    type Answer = Box<dyn Fn(&StandIn, &str) -> String + Send + Sync>;
    let (by_hand, hmac, kept) = (claims.clone(), claims.clone(), claims.clone());
    let elsewhere = StandIn::start()?;
    let attacks: Vec<(&str, Answer)> = vec![
        ("another nonce", Box::new(with("nonce", json!("another")))),
        ("a sibling application's token", Box::new(with("aud", json!("sibling")))),
        ("a token for a sibling as well", Box::new(with("aud", json!(["weir", "sibling"])))),
        ("azp of a sibling", Box::new(with("azp", json!("sibling")))),
        ("another issuer", Box::new(with("iss", json!("https://id.example")))),
        ("expired", Box::new(with("exp", json!(time - 120)))),
        ("not valid yet", Box::new(with("nbf", json!(time + 600)))),
        ("issued long ago", Box::new(with("iat", json!(time - 3600)))),
        (
            "alg none",
            Box::new(move |_, nonce| unsigned(&json!({ "alg": "none", "kid": "key-1" }), &by_hand(nonce), b"")),
        ),
        (
            "HS256 with the public key",
            Box::new(move |own, nonce| {
                let key = jsonwebtoken::EncodingKey::from_secret(own.public_key().to_string().as_bytes());
                let head = jsonwebtoken::Header { kid: Some("key-1".into()), ..Default::default() };
                jsonwebtoken::encode(&head, &hmac(nonce), &key).unwrap_or_default()
            }),
        ),
        ("signed by a key of the same name", Box::new(move |_, nonce| elsewhere.sign(&kept(nonce)))),
        ("no token", Box::new(|_, _| String::new())),
    ];
    for (name, attack) in attacks {
        stand_in.answers(attack);
        let login = Login::begin(&lab, "eve")?;
        let to = Visitor::new(&lab)?.through(&login.url).await?;
        ensure!(to.contains("error=access_denied") && !to.contains("code="), "{name}: {to}");
        let why = login.refused()?;
        ensure!(why.contains("the provider's answer cannot be trusted"), "{name}: {why}");
    }
    let log = audit(&lab)?;
    for why in [
        "nonce is not this login's",
        "another audience",
        "azp",
        "another issuer",
        "has expired",
        "algorithm",
        "signature",
    ] {
        ensure!(log.contains(why), "{why} is not in {log}");
    }

    // The answer of another server (RFC 9207), one without a name of its server, one that another browser brings.
    let good = claims.clone();
    stand_in.answers(move |own, nonce| own.sign(&good(nonce)));
    for more in ["code=code&iss=https://id.example", "code=code", "error=temporarily_unavailable"] {
        stand_in.calls_back_with(more);
        let login = Login::begin(&lab, "eve")?;
        let to = Visitor::new(&lab)?.through(&login.url).await?;
        ensure!(to.contains("error=access_denied"), "{more}: {to}");
        ensure!(login.refused()?.contains("the answer is not the provider's"), "{more}");
    }
    stand_in.calls_back_with("");
    let login = Login::begin(&lab, "eve")?;
    let (mut victim, mut attacker) = (Visitor::new(&lab)?, Visitor::new(&lab)?);
    let provider = victim.to_provider(&login.url).await?;
    let state = provider.split("state=").nth(1).and_then(|rest| rest.split('&').next()).context("no state")?;
    let callback = format!("{}/oauth/callback?code=code&iss={}&state={state}", lab.url(), stand_in.url());
    attacker.open(&login.url).await?;
    ensure!(attacker.open(&callback).await?.0 == 400, "an answer was taken from another browser");
    // Nor does a link that is not the page's own begin anything.
    ensure!(attacker.open(&format!("{}/oauth/provider?state={state}", lab.url())).await?.0 == 400, "a click elsewhere");

    // What is right comes in; local users do not, since they may not.
    let to = victim.through(&login.url).await?;
    ensure!(to.contains("code=") && whoami(&login.done()?)?.get("user") == Some(&json!("eve")), "{to}");
    let login = Login::begin(&lab, "alice")?;
    let form =
        [("response_type", "code"), ("user", "alice"), ("password", "x"), ("csrf", "x"), ("client_id", "weir-cli")];
    let posted = login::browser(&lab.ca())?.post(format!("{}/oauth/authorize", lab.url())).form(&form).send().await?;
    ensure!(posted.status().is_client_error(), "{}", posted.status());
    ensure!(!Visitor::new(&lab)?.open(&login.url).await?.2.contains("password"), "the form of local users");
    Ok(())
}

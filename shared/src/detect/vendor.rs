//! Tokens with a vendor's own format: a fixed prefix, then so many characters of one alphabet. From the vendors'
//! documentation of their formats. A rule's tokens are words of their own: letters, digits, `_` and `-`.

use super::{Span, before, byte, run, run_back, slice};

/// The characters after the prefix.
#[derive(Clone, Copy, Debug)]
enum Alphabet {
    /// `0-9a-fA-F`
    Hex,
    /// `0-9A-Z`
    Upper,
    /// `0-9a-zA-Z`
    Alnum,
    /// and `_`
    Word,
    /// and `-`
    Dash,
}
use Alphabet::{Alnum, Dash, Hex, Upper, Word};

/// Rule, prefix, alphabet, fewest and most characters after the prefix.
type Format = (&'static str, &'static str, Alphabet, usize, usize);

#[rustfmt::skip]
const FORMATS: &[Format] = &[
    ("aws-access-key-id", "AKIA", Upper, 16, 16),
    ("aws-access-key-id", "ASIA", Upper, 16, 16),
    ("aws-access-key-id", "ABIA", Upper, 16, 16),
    ("aws-access-key-id", "ACCA", Upper, 16, 16),
    ("alibaba-access-key", "LTAI", Alnum, 16, 26),
    ("tencent-secret-id", "AKID", Alnum, 32, 32),
    ("github-token", "ghp_", Alnum, 36, 255),
    ("github-token", "gho_", Alnum, 36, 255),
    ("github-token", "ghu_", Alnum, 36, 255),
    ("github-token", "ghs_", Word, 36, 520),
    ("github-token", "ghr_", Alnum, 36, 255),
    ("github-token", "github_pat_", Word, 36, 255),
    ("gitlab-token", "glpat-", Dash, 20, 300),
    ("gitlab-token", "gldt-", Dash, 20, 64),
    ("gitlab-token", "glrt-", Dash, 20, 64),
    ("gitlab-token", "glptt-", Dash, 20, 64),
    ("gitlab-token", "glcbt-", Dash, 20, 64),
    ("gitlab-token", "glft-", Dash, 20, 64),
    ("gitlab-token", "glsoat-", Dash, 20, 64),
    ("gitlab-token", "glimt-", Dash, 20, 64),
    ("gitlab-token", "glagent-", Dash, 20, 64),
    ("gitlab-token", "glffct-", Dash, 20, 64),
    ("gitlab-token", "GR1348941", Dash, 20, 64),
    ("slack-token", "xoxb-", Dash, 20, 255),
    ("slack-token", "xoxp-", Dash, 20, 255),
    ("slack-token", "xoxa-", Dash, 20, 255),
    ("slack-token", "xoxr-", Dash, 20, 255),
    ("slack-token", "xoxs-", Dash, 20, 255),
    ("slack-token", "xoxo-", Dash, 20, 255),
    ("slack-token", "xoxe-", Dash, 20, 255),
    ("slack-token", "xapp-", Dash, 20, 255),
    ("stripe-key", "sk_live_", Alnum, 10, 247),
    ("stripe-key", "sk_test_", Alnum, 10, 247),
    ("stripe-key", "sk_prod_", Alnum, 10, 247),
    ("stripe-key", "rk_live_", Alnum, 10, 247),
    ("stripe-key", "rk_test_", Alnum, 10, 247),
    ("stripe-key", "rk_prod_", Alnum, 10, 247),
    ("stripe-key", "whsec_", Alnum, 24, 255),
    ("google-api-key", "AIza", Dash, 35, 35),
    ("google-oauth-secret", "GOCSPX-", Dash, 28, 28),
    ("openai-key", "sk-proj-", Dash, 32, 255),
    ("openai-key", "sk-svcacct-", Dash, 32, 255),
    ("openai-key", "sk-admin-", Dash, 32, 255),
    ("anthropic-key", "sk-ant-", Dash, 40, 255),
    ("openrouter-key", "sk-or-v1-", Hex, 64, 64),
    ("openai-key", "sk-", Alnum, 32, 255),
    ("npm-token", "npm_", Alnum, 36, 36),
    ("pypi-token", "pypi-", Dash, 50, 1_000),
    ("huggingface-token", "hf_", Alnum, 34, 40),
    ("huggingface-token", "api_org_", Alnum, 34, 40),
    ("twilio-key", "SK", Hex, 32, 32),
    ("twilio-account", "AC", Hex, 32, 32),
    ("mailgun-key", "key-", Hex, 32, 32),
    ("brevo-key", "xkeysib-", Dash, 64, 90),
    ("digitalocean-token", "dop_v1_", Hex, 64, 64),
    ("digitalocean-token", "doo_v1_", Hex, 64, 64),
    ("digitalocean-token", "dor_v1_", Hex, 64, 64),
    ("databricks-token", "dapi", Hex, 32, 32),
    ("heroku-key", "HRKU-", Dash, 36, 64),
    ("shopify-token", "shpat_", Hex, 32, 32),
    ("shopify-token", "shpca_", Hex, 32, 32),
    ("shopify-token", "shppa_", Hex, 32, 32),
    ("shopify-token", "shpss_", Hex, 32, 32),
    ("square-token", "sq0atp-", Dash, 22, 60),
    ("square-token", "sq0csp-", Dash, 43, 60),
    ("square-token", "EAAA", Dash, 60, 60),
    ("linear-key", "lin_api_", Alnum, 40, 40),
    ("notion-token", "ntn_", Alnum, 40, 60),
    ("notion-token", "secret_", Alnum, 43, 43),
    ("postman-key", "PMAK-", Dash, 59, 59),
    ("grafana-token", "glsa_", Word, 41, 41),
    ("grafana-token", "glc_", Alnum, 32, 400),
    ("new-relic-key", "NRAK-", Upper, 27, 27),
    ("new-relic-key", "NRII-", Dash, 32, 32),
    ("new-relic-key", "NRJS-", Hex, 19, 19),
    ("pulumi-token", "pul-", Hex, 40, 40),
    ("figma-token", "figd_", Dash, 40, 60),
    ("sentry-token", "sntryu_", Hex, 64, 64),
    ("sentry-token", "sntrys_", Dash, 60, 300),
    ("atlassian-token", "ATATT3", Dash, 180, 260),
    ("atlassian-token", "ATCTT3", Dash, 180, 260),
    ("docker-token", "dckr_pat_", Dash, 27, 27),
    ("docker-token", "dckr_oat_", Dash, 32, 32),
    ("planetscale-token", "pscale_tkn_", Dash, 32, 64),
    ("planetscale-token", "pscale_pw_", Dash, 32, 64),
    ("planetscale-token", "pscale_oauth_", Dash, 32, 64),
    ("rubygems-key", "rubygems_", Hex, 48, 48),
    ("readme-key", "rdme_", Alnum, 70, 70),
    ("age-secret-key", "AGE-SECRET-KEY-1", Upper, 58, 58),
    ("fly-token", "fo1_", Dash, 43, 43),
    ("clojars-token", "CLOJARS_", Alnum, 60, 60),
    ("perplexity-key", "pplx-", Alnum, 48, 48),
    ("groq-key", "gsk_", Alnum, 48, 60),
    ("replicate-token", "r8_", Alnum, 37, 37),
    ("xai-key", "xai-", Alnum, 70, 90),
    ("artifactory-key", "AKCp", Alnum, 65, 75),
    ("easypost-key", "EZAK", Alnum, 54, 54),
    ("easypost-key", "EZTK", Alnum, 54, 54),
    ("flutterwave-key", "FLWSECK_TEST-", Dash, 12, 40),
    ("flutterwave-key", "FLWSECK-", Dash, 32, 40),
    ("frameio-token", "fio-u-", Dash, 64, 64),
    ("infracost-key", "ico-", Alnum, 32, 32),
    ("lob-key", "live_", Hex, 35, 35),
    ("netlify-token", "nfp_", Alnum, 36, 40),
    ("prefect-key", "pnu_", Alnum, 36, 36),
    ("shippo-token", "shippo_live_", Hex, 40, 40),
    ("shippo-token", "shippo_test_", Hex, 40, 40),
    ("supabase-key", "sbp_", Hex, 40, 40),
    ("supabase-key", "sb_secret_", Dash, 20, 64),
    ("typeform-token", "tfp_", Dash, 40, 60),
    ("onepassword-token", "ops_eyJ", Dash, 60, 2_000),
    ("contentful-token", "CFPAT-", Dash, 43, 43),
    ("tailscale-key", "tskey-", Dash, 20, 90),
    ("tavily-key", "tvly-", Dash, 20, 60),
    ("yandex-key", "AQVN", Dash, 35, 38),
    ("nuget-key", "oy2", Alnum, 43, 43),
    ("duffel-token", "duffel_live_", Dash, 43, 43),
    ("dynatrace-token", "dt0c01_", Dash, 24, 120),
    ("sumologic-id", "su", Alnum, 12, 12),
    ("plaid-token", "access-sandbox-", Dash, 36, 36),
    ("plaid-token", "access-production-", Dash, 36, 36),
    ("pinecone-key", "pcsk_", Word, 60, 80),
    ("vercel-token", "vcp_", Alnum, 24, 64),
    ("render-key", "rnd_", Alnum, 32, 32),
    ("airtable-token", "patp_", Alnum, 32, 64),
    ("buildkite-token", "bkua_", Hex, 40, 40),
    ("circleci-token", "CCIPAT_", Word, 60, 90),
    ("cloudflare-ca-key", "v1.0-", Dash, 100, 200),
    ("weir-placeholder", "wtk_", Word, 26, 64),
];

/// Formats in several words: the word, found after what stands before it.
const BEHIND: &[(&str, &[u8], usize, usize)] = &[
    ("sendgrid-key", b"SG.", 22, 22),
    ("vault-token", b"hvs.", 24, 300),
    ("vault-token", b"hvb.", 24, 300),
    ("vault-token", b"hvr.", 24, 300),
    ("google-oauth-token", b"ya29.", 20, 2_000),
    ("doppler-token", b"dp.pt.", 40, 50),
    ("doppler-token", b"dp.st.", 40, 64),
    ("doppler-token", b"dp.ct.", 40, 50),
    ("doppler-token", b"dp.sa.", 40, 50),
    ("terraform-token", b".atlasv1.", 60, 90),
    ("dropbox-token", b"sl.", 130, 160),
    ("mapbox-token", b"sk.eyJ", 40, 200),
    ("dynatrace-token", b"dt0c01.", 24, 24),
    ("airtable-token", b".", 64, 64),
    ("azure-client-secret", b"Q~", 31, 34),
    ("openshift-token", b"sha256~", 43, 43),
    ("yandex-token", b"t1.", 60, 160),
];

/// The names of all rules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let more = ["slack-webhook", "telegram-token", "discord-token", "mailchimp-key"];
    FORMATS.iter().map(|format| format.0).chain(BEHIND.iter().map(|format| format.0)).chain(more)
}

/// The formats by the first byte of their prefix.
#[derive(Debug)]
pub(super) struct Index {
    by_first: Vec<Vec<Format>>,
}

impl Index {
    pub(super) fn new() -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for format in FORMATS {
            let first = format.1.as_bytes().first().copied().unwrap_or(0);
            if let Some(formats) = by_first.get_mut(usize::from(first)) {
                formats.push(*format);
            }
        }
        Self { by_first }
    }

    /// The token in the word from `start` to `end`, which is at least 16 bytes long.
    pub(super) fn check(&self, text: &[u8], start: usize, end: usize) -> Option<Span> {
        let start = start + escape(text, start);
        let word = slice(text, start, end);
        let formats = self.by_first.get(usize::from(*word.first()?)).map(Vec::as_slice).unwrap_or_default();
        let second = word.get(1);
        for (rule, prefix, alphabet, fewest, most) in formats {
            // Almost every word ends here, before any bytes are compared.
            if word.len() < prefix.len() + fewest || prefix.as_bytes().get(1) != second {
                continue;
            }
            let Some(rest) = word.strip_prefix(prefix.as_bytes()) else { continue };
            let length = rest.iter().take_while(|byte| alphabet.has(**byte)).count();
            if length >= *fewest && length <= *most && (length == rest.len() || is_end(rest, length)) && is_random(rest)
            {
                return Some(Span { start, end: start + prefix.len() + length, rule });
            }
        }
        behind(text, start, end).or_else(|| in_context(text, start, end))
    }
}

/// An escape's last character counts as part of the word: `\nghp_...`, `%3Dghp_...`.
fn escape(text: &[u8], start: usize) -> usize {
    match before(text, start) {
        b'\\' if matches!(byte(text, start), b'n' | b't' | b'r') => 1,
        b'%' if slice(text, start, start + 2).iter().all(u8::is_ascii_hexdigit) => 2,
        _ => 0,
    }
}

/// What follows the token in its word is a mark, not more of it.
fn is_end(rest: &[u8], length: usize) -> bool {
    rest.get(length).is_some_and(|byte| matches!(byte, b'-' | b'_'))
}

/// Not the same few characters again and again, as in documentation.
fn is_random(rest: &[u8]) -> bool {
    let first = rest.first();
    rest.iter().filter(|byte| Some(*byte) != first).count() >= 4
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Hex => byte.is_ascii_hexdigit(),
            Upper => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            Alnum => byte.is_ascii_alphanumeric(),
            Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Dash => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
        }
    }
}

fn is_token(byte: u8) -> bool {
    Dash.has(byte)
}

fn behind(text: &[u8], start: usize, end: usize) -> Option<Span> {
    if !matches!(before(text, start), b'.' | b'~') && !slice(text, start, end).starts_with(b"eyJ") {
        return None;
    }
    let length = end - start;
    let follows = |mark: &[u8]| start.checked_sub(mark.len()).is_some_and(|from| slice(text, from, start) == mark);
    for (rule, mark, fewest, most) in BEHIND {
        if !(*fewest..=*most).contains(&length) || !follows(mark) {
            continue;
        }
        let from = start - mark.len();
        let head = run_back(text, from, 18, is_token);
        match *rule {
            // The identifier before the mark is part of it.
            "terraform-token" if head == 14 => return Some(Span { start: from - 14, end, rule }),
            "airtable-token" if head == 17 && slice(text, from - 17, from).starts_with(b"pat") => {
                return Some(Span { start: from - 17, end, rule });
            }
            "azure-client-secret" if head == 4 => return Some(Span { start: from - 4, end, rule }),
            "terraform-token" | "airtable-token" | "azure-client-secret" => {}
            _ if head > 0 => {}
            "sendgrid-key" => {
                let more = run(text, end + 1, 44, is_token);
                if byte(text, end) == b'.' && more == 43 {
                    return Some(Span { start: from, end: end + 1 + more, rule });
                }
            }
            _ => {
                let more = if byte(text, end) == b'.' { run(text, end + 1, usize::MAX, is_token) } else { 0 };
                let end = if more >= 16 { end + 1 + more } else { end };
                return Some(Span { start: from, end, rule });
            }
        }
    }
    None
}

/// Formats that only their surroundings give away.
fn in_context(text: &[u8], start: usize, end: usize) -> Option<Span> {
    let word = slice(text, start, end);
    let length = end - start;
    // https://hooks.slack.com/services/T.../B.../...
    if before(text, start) == b'/' && (20..=28).contains(&length) {
        let path = run_back(text, start, 64, |byte| is_token(byte) || byte == b'/');
        let from = start - path;
        let host = b"hooks.slack.com";
        if from >= host.len() && slice(text, start - path, start).starts_with(b"com/services/")
            || slice(text, from, start).starts_with(b"/services/T")
                && slice(text, from.saturating_sub(15), from) == host
        {
            return Some(Span { start: from, end, rule: "slack-webhook" });
        }
    }
    // 123456789:AA...
    if length == 35 && word.starts_with(b"AA") && before(text, start) == b':' {
        let id = run_back(text, start - 1, 11, |byte| byte.is_ascii_digit());
        if (8..=10).contains(&id) {
            return Some(Span { start: start - 1 - id, end, rule: "telegram-token" });
        }
    }
    // M....X.....X..................
    if matches!(word.first(), Some(b'M' | b'N' | b'O')) && (23..=28).contains(&length) && byte(text, end) == b'.' {
        let middle = run(text, end + 1, 8, is_token);
        let last = run(text, end + 2 + middle, 46, is_token);
        if (6..=7).contains(&middle) && byte(text, end + 1 + middle) == b'.' && (27..=45).contains(&last) {
            return Some(Span { start, end: end + 2 + middle + last, rule: "discord-token" });
        }
    }
    // 32 hexadecimal digits, and the data centre.
    let (key, centre) = (slice(word, 0, 32), word.get(32..).unwrap_or_default());
    if centre.starts_with(b"-us") && centre.len() <= 5 && key.iter().all(|byte| Hex.has(*byte)) {
        return Some(Span { start, end, rule: "mailchimp-key" });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Detect, Detector};

    /// A token of the format, from characters of its alphabet.
    fn example(format: &Format, length: usize) -> String {
        let letters: &[u8] = match format.2 {
            Hex => b"0a9f3c7b51e8d264",
            Upper => b"Q7Z2M5K4T6WYXJ3D",
            Alnum | Word | Dash => b"Q7z2Mk5Kt4T6wWYx",
        };
        let rest: String = (0..length).map(|at| char::from(letters[(at * 7 + at / 5) % 16])).collect();
        format!("{}{rest}", format.1)
    }

    #[test]
    fn every_format_is_found_whole_and_only_at_its_length() {
        let detector = Detector::standard();
        for format in FORMATS.iter().filter(|format| format.1.len() + format.3 >= 16) {
            if format.1.contains('.') {
                continue;
            }
            let token = example(format, format.3);
            for text in [token.clone(), format!("x={token};"), format!("\"{token}\"\n"), format!("\\n{token}\\n")] {
                let mut found = Vec::new();
                detector.detect(text.as_bytes(), &mut found);
                let hit = found.iter().find(|span| text[span.start..span.end].contains(&token));
                assert!(hit.is_some(), "{} in {text}: {found:?}", format.0);
            }
            let mut found = Vec::new();
            let short = example(format, format.3 - 5);
            detector.detect(short.as_bytes(), &mut found);
            assert!(found.iter().all(|span| span.rule != format.0), "{short}: {found:?}");
        }
    }
}

//! Every way in which the relay logs in to a resource, and what it refuses to: `weir-relay resource test`.

use anyhow::{Result, ensure};
use std::process::Command;
use weir_tests::{
    agent::Transport,
    lab::{Lab, output, run},
};

/// A client certificate for `role`, by the CA that the server trusts: the files of certificate and key.
fn certificate(lab: &Lab, role: &str) -> Result<(String, String)> {
    let file = |name: &str| lab.folder().join(format!("{role}.{name}")).display().to_string();
    let (key, request, pem) = (file("key"), file("csr"), file("pem"));
    let subject = format!("/CN={role}");
    let mut make = Command::new("openssl");
    make.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", &key]);
    run(make.args(["-out", &request, "-subj", &subject, "-addext", "extendedKeyUsage=clientAuth"]), None)?;
    let mut sign = Command::new("openssl");
    sign.args(["x509", "-req", "-in", &request, "-CA", lab.postgres("PG_CA"), "-CAkey", lab.postgres("PG_CA_KEY")]);
    run(sign.args(["-CAcreateserial", "-copy_extensions", "copy", "-days", "2", "-out", &pem]), None)?;
    Ok((pem, key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_login_method() -> Result<()> {
    let mut lab = Lab::start().await?;
    let (host, port, ca) = (lab.postgres("PG_HOST"), lab.postgres("PG_PORT"), lab.postgres("PG_CA"));
    lab.sql(
        "SET password_encryption = 'md5'; CREATE ROLE login_md5 LOGIN PASSWORD 'Planted-md5-1';
         SET password_encryption = 'scram-sha-256'; CREATE ROLE login_scram LOGIN PASSWORD 'Planted-scram-2';
         CREATE ROLE login_clear LOGIN PASSWORD 'Planted-clear-3'; CREATE ROLE login_certificate LOGIN;
         CREATE ROLE login_nothing LOGIN PASSWORD 'Planted-nothing-4'; CREATE ROLE login_plain LOGIN PASSWORD 'Planted-plain-5'",
    )?;
    let (pem, key) = certificate(&lab, "login_certificate")?;
    let secret = |name: &str, text: &str| -> Result<String> {
        let path = lab.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (md5, scram) = (secret("md5", "Planted-md5-1\n")?, secret("scram", "Planted-scram-2")?);
    let (clear, nothing) = (secret("clear", "Planted-clear-3")?, secret("nothing", "Planted-nothing-4")?);
    let (plain, wrong) = (secret("plain", "Planted-plain-5")?, secret("wrong", "Planted-wrong-6")?);
    let other_ca = lab.ca().display().to_string();
    // Name, role, credential, more; the exit code and a word of what is said.
    let cases = [
        ("scram", "login_scram", format!("\"file:{scram}\""), format!("ca = \"{ca}\""), 0, "TLSv1_3"),
        (
            "program",
            "login_scram",
            format!("{{ exec = [\"cat\", \"{scram}\"] }}"),
            format!("ca = \"{ca}\""),
            0,
            "login_scram",
        ),
        (
            "certificate",
            "login_certificate",
            "\"none\"".to_owned(),
            format!("ca = \"{ca}\"\nclient_certificate = \"{pem}\"\nclient_key = \"{key}\""),
            0,
            "login_certificate",
        ),
        ("md5", "login_md5", format!("\"file:{md5}\""), format!("ca = \"{ca}\"\nallow_md5 = true"), 0, "login_md5"),
        ("md5-not-allowed", "login_md5", format!("\"file:{md5}\""), format!("ca = \"{ca}\""), 11, "allow_md5"),
        (
            "clear",
            "login_clear",
            format!("\"file:{clear}\""),
            format!("ca = \"{ca}\"\nallow_cleartext = true"),
            0,
            "login_clear",
        ),
        (
            "clear-not-allowed",
            "login_clear",
            format!("\"file:{clear}\""),
            format!("ca = \"{ca}\""),
            11,
            "allow_cleartext",
        ),
        ("plain", "login_plain", format!("\"file:{plain}\""), "tls = \"disable\"".to_owned(), 0, "off"),
        ("not-asked", "login_nothing", format!("\"file:{nothing}\""), format!("ca = \"{ca}\""), 11, "without asking"),
        ("wrong-password", "login_scram", format!("\"file:{wrong}\""), format!("ca = \"{ca}\""), 5, "28P01"),
        ("wrong-ca", "login_scram", format!("\"file:{scram}\""), format!("ca = \"{other_ca}\""), 7, "TLS with"),
        ("no-file", "login_scram", "\"file:/no/such/file\"".to_owned(), format!("ca = \"{ca}\""), 11, "cannot be read"),
        (
            "slow-program",
            "login_scram",
            "{ exec = [\"sleep\", \"60\"], timeout = \"200ms\" }".to_owned(),
            format!("ca = \"{ca}\""),
            11,
            "did not answer",
        ),
    ];
    let mut lines = String::new();
    for (name, role, credential, more, ..) in &cases {
        lines.push_str(&format!(
            "\n[resources.{name}]\nkind = \"postgres\"\nhost = \"{host}\"\nport = {port}\ndatabases = [\"shop\"]\nrole = \"{role}\"\n\
             credential = {credential}\nlabels = {{ env = \"dev\" }}\n{more}\n"
        ));
    }
    lines.push_str(&format!(
        "\n[resources.down]\nkind = \"postgres\"\nhost = \"127.0.0.1\"\nport = 1\ndatabases = [\"shop\"]\nrole = \"x\"\ncredential = \"file:{scram}\"\nlabels = {{ env = \"dev\" }}\n"
    ));
    lab.configure(&lines)?;
    let down = ("down", "", String::new(), String::new(), 6, "cannot connect");
    for (name, _, _, _, code, word) in cases.iter().chain([&down]) {
        let said = output(lab.admin_command()?.args(["resource", "test", name]), None)?;
        let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        ensure!(said.status.code() == Some(*code), "{name}: {:?}\n{text}", said.status);
        ensure!(text.contains(word), "{name}: {text}");
        ensure!(*code == 0 || text.contains("hint: "), "{name}: {text}");
        ensure!(!text.contains("Planted"), "{name}: {text}");
    }

    // The same through the tunnel: each is a PostgreSQL error with the reason, and no session stays half-open.
    if let Some(mut relay) = lab.relay.take() {
        relay.terminate(std::time::Duration::from_secs(40))?;
    }
    lab.serve().await?;
    let alice = lab.login("alice").await?;
    for (name, _, _, _, code, _) in cases.iter().chain([&down]) {
        let resource = alice.connect(name, Transport::Quic)?;
        if *code == 0 {
            ensure!(resource.sql("SELECT 1")? == "1", "{name}");
            // A credential that the relay injected never comes back, whatever asks for it.
            let echo = resource.sql("SELECT 'Planted-scram-2'")?;
            ensure!(role_of(name) != "scram" || !echo.contains("Planted"), "{name}: {echo}");
        } else {
            let error = resource.refused("SELECT 1")?;
            ensure!(error.contains("FATAL") && error.contains("HINT"), "{name}: {error}");
            ensure!(!error.contains("Planted"), "{name}: {error}");
        }
    }
    Ok(())
}

/// A label that names nothing would mask nothing without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_without_a_column_is_said_to_be_one() -> Result<()> {
    let lab = Lab::start().await?;
    let good = output(lab.admin_command()?.args(["resource", "test", "shop-dev"]), None)?;
    ensure!(good.status.success() && !String::from_utf8_lossy(&good.stderr).contains("warning: columns"), "{good:?}");
    let config = lab.relay_folder().join("weir-relay.toml");
    let text =
        std::fs::read_to_string(&config)?.replace("[\"customers.ssn\"]", "[\"customers.ssn\", \"customers.snn\"]");
    std::fs::write(&config, text)?;
    let said = output(lab.admin_command()?.args(["resource", "test", "shop-dev"]), None)?;
    let talk = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(
        said.status.success() && talk.contains("there is no public.customers.snn") && !talk.contains("ssn"),
        "{talk}"
    );
    let json = run(lab.admin_command()?.args(["resource", "test", "shop-dev", "--output", "json"]), None)?;
    ensure!(json.contains("\"missing_columns\":[\"public.customers.snn\"]"), "{json}");
    Ok(())
}

/// A role that may do too much is said to; the SQL of one that may do less makes such a role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_do_too_much_is_said_to() -> Result<()> {
    let lab = Lab::start().await?;
    let talk = || -> Result<String> {
        let said = output(lab.admin_command()?.args(["resource", "test", "shop-dev"]), None)?;
        ensure!(said.status.success(), "{said:?}");
        Ok(String::from_utf8_lossy(&said.stderr).into_owned())
    };
    lab.sql("GRANT pg_read_server_files TO shop_agent")?;
    let files = talk()?;
    ensure!(
        files.contains("the role shop_agent may read files of the server") && !files.contains("superuser"),
        "{files}"
    );
    lab.sql("ALTER ROLE shop_agent SUPERUSER")?;
    let superuser = talk()?;
    ensure!(superuser.contains("is a superuser") && superuser.contains("resource role shop-dev"), "{superuser}");

    lab.sql("ALTER ROLE shop_agent RENAME TO former")?;
    let sql = lab.admin(&["resource", "role", "shop-dev", "--read-only"])?;
    ensure!(!sql.contains("INSERT") && lab.admin(&["resource", "role", "shop-dev"])?.contains("INSERT"), "{sql}");
    let password = std::fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
    let set = format!("ALTER ROLE shop_agent PASSWORD '{}';", password.trim());
    // psql would ask at a terminal.
    let sql = sql.replace("\\password \"shop_agent\"", &set).replace("\\connect \"shop\"", "");
    lab.sql(&sql)?;
    ensure!(!talk()?.contains("warning: the role"), "{}", talk()?);
    let alice = lab.login("alice").await?;
    let shop = alice.connect("shop-dev", Transport::Quic)?;
    ensure!(shop.sql("SELECT count(*) FROM orders")? == "100");
    ensure!(shop.refused("UPDATE orders SET status = 'x' WHERE id = 1")?.contains("permission denied"));
    Ok(())
}

/// Which resources log in with the password that the test asks for.
fn role_of(name: &str) -> &str {
    if matches!(name, "scram" | "program") { "scram" } else { name }
}

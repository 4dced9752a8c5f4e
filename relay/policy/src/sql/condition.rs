//! Whether a condition restricts what a statement changes. `WHERE true` does not, nor does `WHERE id = id`, nor one that
//! looks only at another relation. It is an opinion about the text: a condition may still hold for every row.

use super::tree::{Node, Tree};
use pg_query::protobuf::{AExprKind, BoolExprType, CmdType, MergeMatchKind};

/// True when the condition `tree` looks at the relation `target` in a way that can leave out rows.
pub(super) fn restricts(tree: &Tree, target: &Node) -> bool {
    let name = target.field("alias").as_node().map_or_else(|| target.text("relname"), |alias| alias.text("aliasname"));
    chooses(tree, name)
}

/// True when each change that a MERGE makes to rows that are there is restricted.
pub(super) fn merge_restricts(node: &Node, target: &Node) -> bool {
    let joined = restricts(node.field("join_condition"), target);
    node.list("merge_when_clauses").iter().filter_map(Tree::as_node).all(|when| {
        let command = CmdType::try_from(when.number("command_type"));
        let by_source =
            MergeMatchKind::try_from(when.number("match_kind")) == Ok(MergeMatchKind::MergeWhenNotMatchedBySource);
        !matches!(command, Ok(CmdType::CmdUpdate | CmdType::CmdDelete))
            || restricts(when.field("condition"), target)
            || joined && !by_source
    })
}

fn chooses(tree: &Tree, target: &str) -> bool {
    match tree {
        Tree::Node(node) => node_chooses(node, target),
        Tree::List(items) => items.iter().any(|item| chooses(item, target)),
        Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => false,
    }
}

fn node_chooses(node: &Node, target: &str) -> bool {
    match node.name {
        "CurrentOfExpr" => true,
        "ColumnRef" => match node.list("fields") {
            [.., relation, _] => relation.as_text() == target,
            _ => true,
        },
        "BoolExpr" if BoolExprType::try_from(node.number("boolop")) == Ok(BoolExprType::OrExpr) => {
            let args = node.list("args");
            args.iter().all(|arg| chooses(arg, target))
                && !args.iter().enumerate().any(|(at, arg)| args.iter().skip(at + 1).any(|other| opposite(arg, other)))
        }
        "AExpr" if is_reflexive(node) && same(node.field("lexpr"), node.field("rexpr")) => false,
        "CoalesceExpr" => node.list("args").first().is_some_and(|first| chooses(first, target)),
        _ => node.fields.iter().any(|(_, value)| chooses(value, target)),
    }
}

/// True for what holds of any value and itself (but NULL).
fn is_reflexive(node: &Node) -> bool {
    let operator = node.list("name").last().map(Tree::as_text).unwrap_or_default();
    AExprKind::try_from(node.number("kind")) == Ok(AExprKind::AexprNotDistinct)
        || matches!(operator, "=" | "<=" | ">=" | "~~" | "~~*")
}

/// `a` and `NOT a`; `a IS NULL` and `a IS NOT NULL`; `a = b` and `a <> b`.
fn opposite(one: &Tree, other: &Tree) -> bool {
    let (Some(a), Some(b)) = (one.as_node(), other.as_node()) else { return false };
    let negates = |node: &Node, plain: &Tree| {
        BoolExprType::try_from(node.number("boolop")) == Ok(BoolExprType::NotExpr)
            && node.list("args").first().is_some_and(|inner| same(inner, plain))
    };
    match (a.name, b.name) {
        ("NullTest", "NullTest") => {
            a.number("nulltesttype") != b.number("nulltesttype") && same(a.field("arg"), b.field("arg"))
        }
        ("AExpr", "AExpr") if complementary(a, b) => {
            same(a.field("lexpr"), b.field("lexpr")) && same(a.field("rexpr"), b.field("rexpr"))
        }
        _ => negates(a, other) || negates(b, one),
    }
}

fn complementary(a: &Node, b: &Node) -> bool {
    let operator = |node: &Node| node.list("name").last().map(Tree::as_text).unwrap_or_default().to_owned();
    matches!(
        (operator(a).as_str(), operator(b).as_str()),
        ("=", "<>") | ("<>", "=") | ("<", ">=") | (">=", "<") | (">", "<=") | ("<=", ">")
    )
}

/// The same expression, wherever it stands. A column without its relation is the same as one with it.
fn same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Nothing, Tree::Nothing) | (Tree::Flag, Tree::Flag) => true,
        (Tree::Number(a), Tree::Number(b)) => a == b,
        (Tree::Text(a), Tree::Text(b)) => a == b,
        (Tree::List(a), Tree::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Tree::Node(a), Tree::Node(b)) if a.name == "ColumnRef" && b.name == "ColumnRef" => {
            a.list("fields").iter().rev().zip(b.list("fields").iter().rev()).all(|(a, b)| same(a, b))
        }
        // The cache leaves integers out of its keys, so none may be told from another here.
        (Tree::Node(a), Tree::Node(b)) if a.name == "Integer" && b.name == "Integer" => true,
        (Tree::Node(a), Tree::Node(b)) => {
            let fields = |node: &'_ Node| node.fields.iter().filter(|(name, _)| !name.ends_with("location")).count();
            a.name == b.name
                && fields(a) == fields(b)
                && a.fields.iter().all(|(name, value)| name.ends_with("location") || same(value, b.field(name)))
        }
        _ => false,
    }
}

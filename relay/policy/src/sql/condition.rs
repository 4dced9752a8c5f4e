//! Whether a condition restricts what a statement changes. `WHERE true` does not, nor does `WHERE id = id`, nor one that
//! looks only at another relation. It is an opinion about the text: a condition may still hold for every row.

use super::tree::{Node, Tree};
use pg_query::protobuf::{AExprKind, BoolExprType, CmdType, MergeMatchKind};

/// True when the condition `tree` looks at the relation `target` in a way that can leave out rows, or holds for none.
/// `by_numbers` is set when that hangs on the values of integers.
pub(super) fn restricts(tree: &Tree, target: &Node, by_numbers: &mut bool) -> bool {
    Condition::on(target, by_numbers).restricts(tree)
}

/// Columns of the relation `target` for which the condition takes one value alone: `a = 1 AND b = $1`.
pub(super) fn pins(tree: &Tree, target: &Node) -> Vec<String> {
    let mut by_numbers = false;
    let mut pins = Vec::new();
    Condition::on(target, &mut by_numbers).pins(tree, &mut pins);
    pins
}

/// True when each change that a MERGE makes to rows that are there is restricted.
pub(super) fn merge_restricts(node: &Node, target: &Node, by_numbers: &mut bool) -> bool {
    let mut condition = Condition::on(target, by_numbers);
    let joined = condition.restricts(node.field("join_condition"));
    node.list("merge_when_clauses").iter().filter_map(Tree::as_node).all(|when| {
        let command = CmdType::try_from(when.number("command_type"));
        let by_source =
            MergeMatchKind::try_from(when.number("match_kind")) == Ok(MergeMatchKind::MergeWhenNotMatchedBySource);
        !matches!(command, Ok(CmdType::CmdUpdate | CmdType::CmdDelete))
            || condition.restricts(when.field("condition"))
            || joined && !by_source
    })
}

/// For which rows of the target a condition holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// For all, but for NULLs perhaps.
    Always,
    Never,
    /// For some, by what they hold.
    Some,
    /// For all or for none: no row decides.
    Alike,
}

struct Condition<'a> {
    /// What the target is called.
    target: &'a str,
    by_numbers: &'a mut bool,
}

impl<'a> Condition<'a> {
    fn on(target: &'a Node, by_numbers: &'a mut bool) -> Self {
        let alias = target.field("alias").as_node();
        let name = alias.map_or_else(|| target.text("relname"), |alias| alias.text("aliasname"));
        Self { target: name, by_numbers }
    }

    fn restricts(&mut self, tree: &Tree) -> bool {
        matches!(self.holds(tree), Holds::Some | Holds::Never)
    }

    fn holds(&mut self, tree: &Tree) -> Holds {
        match constant(tree) {
            Some(Constant::Bool(true)) => return Holds::Always,
            Some(Constant::Bool(false) | Constant::Null) => return Holds::Never,
            Some(Constant::Number(_) | Constant::Text(_)) => return Holds::Alike,
            None => {}
        }
        match tree {
            Tree::Node(node) => self.node_holds(node),
            Tree::List(items) => self.chosen_by(items),
            Tree::Nothing => Holds::Always,
            Tree::Flag | Tree::Number(_) | Tree::Text(_) => Holds::Alike,
        }
    }

    fn node_holds(&mut self, node: &Node) -> Holds {
        match node.name {
            "CurrentOfExpr" => Holds::Some,
            "ColumnRef" => match node.list("fields") {
                [.., relation, _] if relation.as_text() != self.target => Holds::Alike,
                _ => Holds::Some,
            },
            "BoolExpr" => self.joined(node),
            "AExpr" => self.compared(node),
            "CoalesceExpr" => match node.list("args").first() {
                Some(first) => self.holds(first),
                None => Holds::Alike,
            },
            "SubLink" => self.looked_up(node),
            _ => {
                // Each may look at the target; whether it holds is not followed.
                let some = node.fields.iter().any(|(_, value)| self.holds(value) == Holds::Some);
                if some { Holds::Some } else { Holds::Alike }
            }
        }
    }

    fn pins(&self, tree: &Tree, pins: &mut Vec<String>) {
        let Some(node) = tree.as_node() else { return };
        match node.name {
            "BoolExpr" if BoolExprType::try_from(node.number("boolop")) == Ok(BoolExprType::AndExpr) => {
                node.list("args").iter().for_each(|arg| self.pins(arg, pins));
            }
            "AExpr" if is_equality(node) => {
                let (left, right) = (node.field("lexpr"), node.field("rexpr"));
                for (column, value) in [(left, right), (right, left)] {
                    let fields =
                        column.as_node().filter(|node| node.name == "ColumnRef").map(|node| node.list("fields"));
                    let name = match fields {
                        Some([name]) => name,
                        Some([.., relation, name]) if relation.as_text() == self.target => name,
                        _ => continue,
                    };
                    if is_value(value) {
                        pins.push(name.as_text().to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    fn chosen_by(&mut self, items: &[Tree]) -> Holds {
        if items.iter().any(|item| self.holds(item) == Holds::Some) { Holds::Some } else { Holds::Alike }
    }

    /// AND, OR, NOT.
    fn joined(&mut self, node: &Node) -> Holds {
        let args = node.list("args");
        let all: Vec<Holds> = args.iter().map(|arg| self.holds(arg)).collect();
        match BoolExprType::try_from(node.number("boolop")) {
            Ok(BoolExprType::NotExpr) => match all.first() {
                Some(Holds::Always) => Holds::Never,
                Some(Holds::Never) => Holds::Always,
                Some(other) => *other,
                None => Holds::Alike,
            },
            Ok(BoolExprType::OrExpr) => {
                let opposed = args
                    .iter()
                    .enumerate()
                    .any(|(at, arg)| args.iter().skip(at + 1).any(|other| self.opposite(arg, other)));
                if opposed || all.contains(&Holds::Always) {
                    return Holds::Always;
                }
                first_of(&all, [Holds::Alike, Holds::Some, Holds::Never])
            }
            _ => first_of(&all, [Holds::Never, Holds::Some, Holds::Alike]),
        }
    }

    fn compared(&mut self, node: &Node) -> Holds {
        let (left, right) = (node.field("lexpr"), node.field("rexpr"));
        if let (Some(left), Some(right)) = (constant(left), constant(right)) {
            *self.by_numbers |= matches!((&left, &right), (Constant::Number(_), Constant::Number(_)));
            return match folded(node, &left, &right) {
                Some(true) => Holds::Always,
                Some(false) => Holds::Never,
                None => Holds::Alike,
            };
        }
        if is_reflexive(node) && self.same(left, right) {
            return Holds::Always;
        }
        let both = [self.holds(left), self.holds(right)];
        if both.contains(&Holds::Some) { Holds::Some } else { Holds::Alike }
    }

    /// A query in the condition. What it is compared with, and what it filters by, may be the target's columns; what it gives is
    /// its own, unless it says otherwise.
    fn looked_up(&mut self, node: &Node) -> Holds {
        if self.holds(node.field("testexpr")) == Holds::Some {
            return Holds::Some;
        }
        let Some(query) = node.field("subselect").as_node() else { return Holds::Alike };
        let own = query.has("from_clause");
        let some = query.fields.iter().any(|(name, value)| match *name {
            "target_list" if own => self.names_target(value),
            _ => self.holds(value) == Holds::Some,
        });
        if some { Holds::Some } else { Holds::Alike }
    }

    /// True when the target is named: a bare column is one of the query around it first.
    fn names_target(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Node(node) if node.name == "ColumnRef" => {
                matches!(node.list("fields"), [.., relation, _] if relation.as_text() == self.target)
            }
            Tree::Node(node) => node.fields.iter().any(|(_, value)| self.names_target(value)),
            Tree::List(items) => items.iter().any(|item| self.names_target(item)),
            Tree::Nothing | Tree::Flag | Tree::Number(_) | Tree::Text(_) => false,
        }
    }

    /// `a` and `NOT a`; `a IS NULL` and `a IS NOT NULL`; `a = b` and `a <> b`.
    fn opposite(&mut self, one: &Tree, other: &Tree) -> bool {
        let (Some(a), Some(b)) = (one.as_node(), other.as_node()) else { return false };
        match (a.name, b.name) {
            ("NullTest", "NullTest") => {
                a.number("nulltesttype") != b.number("nulltesttype") && self.same(a.field("arg"), b.field("arg"))
            }
            ("AExpr", "AExpr") if complementary(a, b) => {
                self.same(a.field("lexpr"), b.field("lexpr")) && self.same(a.field("rexpr"), b.field("rexpr"))
            }
            _ => self.negates(a, other) || self.negates(b, one),
        }
    }

    fn negates(&mut self, node: &Node, plain: &Tree) -> bool {
        BoolExprType::try_from(node.number("boolop")) == Ok(BoolExprType::NotExpr)
            && node.list("args").first().is_some_and(|inner| self.same(inner, plain))
    }

    /// The same expression, wherever it stands. A column of the target is the same without its relation.
    fn same(&mut self, one: &Tree, other: &Tree) -> bool {
        match (one, other) {
            (Tree::Nothing, Tree::Nothing) | (Tree::Flag, Tree::Flag) => true,
            (Tree::Number(a), Tree::Number(b)) => a == b,
            (Tree::Text(a), Tree::Text(b)) => a == b,
            (Tree::List(a), Tree::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b)),
            (Tree::Node(a), Tree::Node(b)) if a.name == "ColumnRef" && b.name == "ColumnRef" => {
                let (a, b) = (a.list("fields"), b.list("fields"));
                let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
                let of_target = matches!(long, [.., relation, _] if relation.as_text() == self.target);
                (long.len() == short.len() || short.len() > 1 || of_target)
                    && long.iter().rev().zip(short.iter().rev()).all(|(a, b)| self.same(a, b))
            }
            (Tree::Node(a), Tree::Node(b)) if a.name == "Integer" && b.name == "Integer" => {
                *self.by_numbers = true;
                a.number("ival") == b.number("ival")
            }
            (Tree::Node(a), Tree::Node(b)) => {
                let fields =
                    |node: &'_ Node| node.fields.iter().filter(|(name, _)| !name.ends_with("location")).count();
                a.name == b.name
                    && fields(a) == fields(b)
                    && a.fields
                        .iter()
                        .all(|(name, value)| name.ends_with("location") || self.same(value, b.field(name)))
            }
            _ => false,
        }
    }
}

fn is_equality(node: &Node) -> bool {
    AExprKind::try_from(node.number("kind")) == Ok(AExprKind::AexprOp)
        && matches!(node.list("name"), [name] if name.as_text() == "=")
}

/// A constant or a parameter, whatever it is cast to.
fn is_value(tree: &Tree) -> bool {
    tree.as_node().is_some_and(|node| match node.name {
        "AConst" | "ParamRef" => true,
        "TypeCast" => is_value(node.field("arg")),
        _ => false,
    })
}

/// The first of `order` that is among `all`.
fn first_of(all: &[Holds], order: [Holds; 3]) -> Holds {
    order.into_iter().find(|holds| all.contains(holds)).unwrap_or(Holds::Always)
}

/// What stands there as it is.
enum Constant<'a> {
    Null,
    Bool(bool),
    Number(i32),
    Text(&'a str),
}

fn constant(tree: &Tree) -> Option<Constant<'_>> {
    let node = tree.as_node()?;
    match node.name {
        "AConst" if node.has("isnull") => Some(Constant::Null),
        "AConst" => match node.field("val").as_node()? {
            value if value.name == "Boolean" => Some(Constant::Bool(value.has("boolval"))),
            value if value.name == "Integer" => Some(Constant::Number(value.number("ival"))),
            value if value.name == "String" => Some(Constant::Text(value.text("sval"))),
            _ => None,
        },
        "TypeCast" => {
            let (schema, name) = Tree::qualified(node.field("type_name").as_node()?.list("names"));
            match constant(node.field("arg"))? {
                Constant::Text(text) if matches!(schema, "" | "pg_catalog") && name == "bool" => {
                    match text.to_ascii_lowercase().as_str() {
                        "t" | "true" | "y" | "yes" | "on" | "1" => Some(Constant::Bool(true)),
                        "f" | "false" | "n" | "no" | "off" | "0" => Some(Constant::Bool(false)),
                        _ => None,
                    }
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// What a comparison of two constants says; none when that takes more than a look.
fn folded(node: &Node, left: &Constant<'_>, right: &Constant<'_>) -> Option<bool> {
    if AExprKind::try_from(node.number("kind")) != Ok(AExprKind::AexprOp) {
        return None;
    }
    let operator = node.list("name").last().map(Tree::as_text)?;
    match (left, right) {
        (Constant::Null, _) | (_, Constant::Null) => Some(false),
        (Constant::Number(a), Constant::Number(b)) => match operator {
            "=" => Some(a == b),
            "<>" => Some(a != b),
            "<" => Some(a < b),
            "<=" => Some(a <= b),
            ">" => Some(a > b),
            ">=" => Some(a >= b),
            _ => None,
        },
        (Constant::Text(a), Constant::Text(b)) if operator == "=" => Some(a == b),
        (Constant::Bool(a), Constant::Bool(b)) if operator == "=" => Some(a == b),
        _ => None,
    }
}

/// True for what holds of any value and itself (but NULL).
fn is_reflexive(node: &Node) -> bool {
    let operator = node.list("name").last().map(Tree::as_text).unwrap_or_default();
    AExprKind::try_from(node.number("kind")) == Ok(AExprKind::AexprNotDistinct)
        || matches!(operator, "=" | "<=" | ">=" | "~~" | "~~*")
}

fn complementary(a: &Node, b: &Node) -> bool {
    let operator = |node: &Node| node.list("name").last().map(Tree::as_text).unwrap_or_default().to_owned();
    matches!(
        (operator(a).as_str(), operator(b).as_str()),
        ("=", "<>") | ("<>", "=") | ("<", ">=") | (">=", "<") | (">", "<=") | ("<=", ">")
    )
}

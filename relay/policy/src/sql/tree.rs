//! The parse tree in one uniform shape. PostgreSQL's grammar has some 270 kinds of node, each with its own type: a
//! walker written by hand over them sooner or later forgets a field, and a forgotten field is a way round policy. Every
//! one of those types can be serialised, so serialising into [`Tree`] reaches every field of every node by construction.

use serde::ser::{self, Serialize};
use std::fmt;

/// A value of the parse tree. What is empty, false, zero or absent is [`Tree::Nothing`] and left out of structures.
#[derive(Debug)]
pub(super) enum Tree {
    /// Absent or the default.
    Nothing,
    /// `true`
    Flag,
    /// Numbers and enumerations.
    Number(i64),
    /// Names and literals.
    Text(String),
    /// A list, `Nothing`s included, since a position can carry a meaning.
    List(Vec<Self>),
    /// A node.
    Node(Node),
}

/// A node: its type's name and the fields that are set.
#[derive(Debug)]
pub(super) struct Node {
    /// The Rust name of the type: `SelectStmt`, `RangeVar`.
    pub(super) name: &'static str,
    /// Fields in order of declaration.
    pub(super) fields: Vec<(&'static str, Tree)>,
}

impl Node {
    /// The field; `Nothing` when it is not set.
    pub(super) fn field(&self, name: &str) -> &Tree {
        self.fields.iter().find(|(field, _)| *field == name).map_or(&Tree::Nothing, |(_, value)| value)
    }

    /// The field as text; empty when not set.
    pub(super) fn text(&self, name: &str) -> &str {
        self.field(name).as_text()
    }

    /// The field as number; zero when not set.
    pub(super) fn number(&self, name: &str) -> i32 {
        match self.field(name) {
            Tree::Number(number) => i32::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }

    /// True when the field is set.
    pub(super) fn has(&self, name: &str) -> bool {
        !matches!(self.field(name), Tree::Nothing)
    }

    /// The field's elements; none when it is not a list.
    pub(super) fn list(&self, name: &str) -> &[Tree] {
        match self.field(name) {
            Tree::List(items) => items,
            _ => &[],
        }
    }
}

impl Tree {
    /// This node, when it is one.
    pub(super) fn as_node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Its text; that of a `String` or constant node too. Empty otherwise.
    pub(super) fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Node(node) => match node.name {
                "String" => node.text("sval"),
                "AConst" => node.field("val").as_text(),
                "TypeCast" => node.field("arg").as_text(),
                _ => "",
            },
            _ => "",
        }
    }

    /// Schema and name of a name; the schema is empty when none was written.
    pub(super) fn qualified(items: &[Self]) -> (&str, &str) {
        match items {
            [] => ("", ""),
            [name] => ("", name.as_text()),
            [.., schema, name] => (schema.as_text(), name.as_text()),
        }
    }

    /// A dotted name from a list of `String` nodes.
    pub(super) fn dotted(items: &[Self]) -> String {
        items.iter().map(Self::as_text).collect::<Vec<_>>().join(".")
    }
}

/// The tree of any node.
pub(super) fn tree_of<T: Serialize>(value: &T) -> Result<Tree, TreeError> {
    value.serialize(Builder)
}

/// Serialising failed; no node of the grammar does this.
#[derive(Debug)]
pub(super) struct TreeError(String);

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TreeError {}

impl ser::Error for TreeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct Builder;

/// Collects a list's elements or a structure's fields.
struct Collect {
    name: &'static str,
    fields: Vec<(&'static str, Tree)>,
    items: Vec<Tree>,
}

impl Collect {
    fn new(name: &'static str) -> Self {
        Self { name, fields: Vec::new(), items: Vec::new() }
    }
}

fn number<N: TryInto<i64>>(value: N) -> Tree {
    match value.try_into() {
        Ok(0) => Tree::Nothing,
        Ok(number) => Tree::Number(number),
        Err(_) => Tree::Number(i64::MAX),
    }
}

impl ser::Serializer for Builder {
    type Ok = Tree;
    type Error = TreeError;
    type SerializeSeq = Collect;
    type SerializeTuple = Collect;
    type SerializeTupleStruct = Collect;
    type SerializeTupleVariant = ser::Impossible<Tree, TreeError>;
    type SerializeMap = ser::Impossible<Tree, TreeError>;
    type SerializeStruct = Collect;
    type SerializeStructVariant = ser::Impossible<Tree, TreeError>;

    fn serialize_bool(self, v: bool) -> Result<Tree, TreeError> {
        Ok(if v { Tree::Flag } else { Tree::Nothing })
    }
    fn serialize_i8(self, v: i8) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_i16(self, v: i16) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_i32(self, v: i32) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_i64(self, v: i64) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_u8(self, v: u8) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_u16(self, v: u16) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_u32(self, v: u32) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_u64(self, v: u64) -> Result<Tree, TreeError> {
        Ok(number(v))
    }
    fn serialize_f32(self, v: f32) -> Result<Tree, TreeError> {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Result<Tree, TreeError> {
        Ok(if v == 0.0 { Tree::Nothing } else { Tree::Flag })
    }
    fn serialize_char(self, v: char) -> Result<Tree, TreeError> {
        Ok(Tree::Text(v.to_string()))
    }
    fn serialize_str(self, v: &str) -> Result<Tree, TreeError> {
        Ok(if v.is_empty() { Tree::Nothing } else { Tree::Text(v.to_owned()) })
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Tree, TreeError> {
        Ok(Tree::Flag)
    }
    fn serialize_none(self) -> Result<Tree, TreeError> {
        Ok(Tree::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, TreeError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Tree, TreeError> {
        Ok(Tree::Nothing)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, TreeError> {
        Ok(Tree::Flag)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Tree, TreeError> {
        Ok(Tree::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Tree, TreeError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, TreeError> {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Collect, TreeError> {
        Ok(Collect::new(""))
    }
    fn serialize_tuple(self, _: usize) -> Result<Collect, TreeError> {
        Ok(Collect::new(""))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Collect, TreeError> {
        Ok(Collect::new(""))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, TreeError> {
        Err(ser::Error::custom(name))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, TreeError> {
        Err(ser::Error::custom("map"))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Collect, TreeError> {
        Ok(Collect::new(name))
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, TreeError> {
        Err(ser::Error::custom(name))
    }
}

impl Collect {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TreeError> {
        self.items.push(value.serialize(Builder)?);
        Ok(())
    }

    fn into_list(self) -> Tree {
        if self.items.is_empty() { Tree::Nothing } else { Tree::List(self.items) }
    }
}

impl ser::SerializeSeq for Collect {
    type Ok = Tree;
    type Error = TreeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TreeError> {
        self.item(value)
    }
    fn end(self) -> Result<Tree, TreeError> {
        Ok(self.into_list())
    }
}

impl ser::SerializeTuple for Collect {
    type Ok = Tree;
    type Error = TreeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TreeError> {
        self.item(value)
    }
    fn end(self) -> Result<Tree, TreeError> {
        Ok(self.into_list())
    }
}

impl ser::SerializeTupleStruct for Collect {
    type Ok = Tree;
    type Error = TreeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TreeError> {
        self.item(value)
    }
    fn end(self) -> Result<Tree, TreeError> {
        Ok(self.into_list())
    }
}

impl ser::SerializeStruct for Collect {
    type Ok = Tree;
    type Error = TreeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), TreeError> {
        let value = value.serialize(Builder)?;
        if !matches!(value, Tree::Nothing) {
            self.fields.push((key, value));
        }
        Ok(())
    }
    fn end(mut self) -> Result<Tree, TreeError> {
        // `Node` and `List` only wrap: the thing inside is the node.
        match (self.name, self.fields.pop()) {
            ("Node", Some((_, inner))) => Ok(inner),
            ("Node", None) => Ok(Tree::Nothing),
            ("List", Some((_, items))) => Ok(items),
            (name, last) => {
                self.fields.extend(last);
                Ok(Tree::Node(Node { name, fields: self.fields }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_reached() {
        let parsed = pg_query::parse("SELECT a FROM t ORDER BY f(b) LIMIT g(1)", 0).unwrap();
        let text = format!("{:?}", tree_of(&parsed.protobuf).unwrap());
        for name in ["SelectStmt", "\"a\"", "\"t\"", "\"f\"", "\"b\"", "\"g\"", "SortBy"] {
            assert!(text.contains(name), "{name} is missing in {text}");
        }
    }
}

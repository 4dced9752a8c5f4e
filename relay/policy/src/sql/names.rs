//! The names in a statement whose meaning the text alone does not tell: [`Names`] says what to look up in the server's catalog,
//! [`super::resolve`] what that makes of the statement.

/// A name, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Name {
    /// Empty when none was written.
    pub schema: String,
    /// Without quotes.
    pub name: String,
}

impl Name {
    pub(super) fn new(schema: &str, name: &str) -> Self {
        Self { schema: schema.to_owned(), name: name.to_owned() }
    }
}

/// A relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelationName {
    /// Its name.
    pub name: Name,
    /// Its rows are changed.
    pub writes: bool,
    /// It may be the name of a common table expression instead.
    pub may_be_cte: bool,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FunctionName {
    /// Its name.
    pub name: Name,
    /// How many arguments it is given; none when the text does not tell.
    pub arguments: Option<usize>,
    /// The grammar of newer servers reads it as syntax of its own: there need be no such function.
    pub may_be_syntax: bool,
}

/// `of.name`, `(expression).name`: a column, or a call of a function of that name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldName {
    /// What stands before the dot, when it is a name: a relation or an alias.
    pub of: Option<String>,
    /// What stands behind it.
    pub name: String,
}

/// What an alias or a relation's own name stands for in an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The relation at this place in [`Names::relations`].
    Relation(usize),
    /// Something that has these columns; others are not known of it.
    Columns(Vec<String>),
}

/// All of them of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names {
    /// Relations.
    pub relations: Vec<RelationName>,
    /// Calls.
    pub functions: Vec<FunctionName>,
    /// Columns that would be calls if there were no such columns.
    pub fields: Vec<FieldName>,
    /// Operators.
    pub operators: Vec<Name>,
    /// Types.
    pub types: Vec<Name>,
    /// What stands before the dot of a field may be one of these.
    pub sources: Vec<(String, Origin)>,
    /// Settings of the application's own that are changed: `app.tenant`.
    pub settings: Vec<String>,
    /// Roles that the session takes on.
    pub roles: Vec<String>,
    /// Relations and types that the text itself makes.
    pub creates: Vec<String>,
}

/// Most names of one kind: what names more is not understood.
pub(super) const MOST: usize = 500;

impl Names {
    /// True when the catalog has to be asked about any of them.
    #[must_use]
    pub fn need_a_catalog(&self) -> bool {
        let Self { relations, functions, fields, operators, types, .. } = self;
        !(relations.is_empty() && functions.is_empty() && fields.is_empty() && operators.is_empty() && types.is_empty())
    }

    /// True when there is nothing to resolve.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.need_a_catalog() && self.settings.is_empty() && self.roles.is_empty()
    }

    /// These and others.
    pub(super) fn joined(&self, others: &Self) -> Self {
        let mut all = self.clone();
        let places: Vec<usize> = others
            .relations
            .iter()
            .map(|relation| {
                let place = all.relations.iter().position(|known| known == relation).unwrap_or(all.relations.len());
                add(&mut all.relations, relation.clone());
                place
            })
            .collect();
        let moved = |source: &Origin| match source {
            Origin::Relation(place) => {
                places.get(*place).map_or(Origin::Columns(Vec::new()), |place| Origin::Relation(*place))
            }
            columns @ Origin::Columns(_) => columns.clone(),
        };
        others.sources.iter().for_each(|(name, source)| add(&mut all.sources, (name.clone(), moved(source))));
        join(&mut all.functions, &others.functions);
        join(&mut all.fields, &others.fields);
        join(&mut all.operators, &others.operators);
        join(&mut all.types, &others.types);
        join(&mut all.settings, &others.settings);
        join(&mut all.roles, &others.roles);
        join(&mut all.creates, &others.creates);
        all
    }

    pub(super) fn too_many(&self) -> bool {
        let Self { relations, functions, fields, operators, types, .. } = self;
        [relations.len(), functions.len(), fields.len(), operators.len(), types.len()].into_iter().any(|n| n > MOST)
    }
}

fn join<T: PartialEq + Clone>(list: &mut Vec<T>, others: &[T]) {
    others.iter().for_each(|item| add(list, item.clone()));
}

pub(super) fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.len() <= MOST && !list.contains(&item) {
        list.push(item);
    }
}

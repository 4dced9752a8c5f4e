//! What is known of a word before anything runs: quotes, escapes and braces are resolved; what variables, command
//! substitutions and file names will put there is not known.

use std::collections::HashMap;

use brush_parser::{
    ParserOptions,
    word::{
        self, BraceExpressionMember, BraceExpressionOrText, Parameter, ParameterExpr, ParameterTransformOp, TildeExpr,
        WordPiece, WordPieceWithSource,
    },
};

/// Most braces of a word.
const BRACES: usize = 5;
/// Most words that braces are expanded to.
const EXPANDED: usize = 64;

/// Values that were assigned before, in the same text. One may have been given another since: they are hints of what
/// may stand there, never all there is to know.
pub(super) type Values = HashMap<String, String>;

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arg {
    /// What is known of its text, without what is not.
    pub(super) text: String,
    /// The text is all of it.
    pub(super) exact: bool,
    /// An unquoted `*`, `?` or `[` chooses among files.
    pub(super) glob: bool,
    /// Variables whose value becomes part of it.
    pub(super) variables: Vec<String>,
    /// `${VAR:?}` stands in it: it is never empty.
    pub(super) guarded: bool,
    /// What a command prints becomes part of it.
    pub(super) computed: bool,
}

impl Arg {
    /// A word that is known.
    pub(super) fn known(text: impl Into<String>) -> Self {
        Self { text: text.into(), exact: true, ..Self::default() }
    }

    /// The text when it is all there is to know.
    pub(super) fn exactly(&self) -> Option<&str> {
        (self.exact && !self.glob).then_some(self.text.as_str())
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.exactly() == Some(text)
    }
}

/// How many braces open an expansion: they are not quoted, and no `${`.
fn open_braces(text: &str) -> usize {
    let (mut count, mut quote, mut before) = (0, None, ' ');
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(chars.next()),
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') if before != '$' => count += 1,
            _ => {}
        }
        before = c;
    }
    count
}

/// A word resolved: the words that it becomes, and the scripts that run for it.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) args: Vec<Arg>,
    /// Texts of command substitutions.
    pub(super) scripts: Vec<String>,
    /// It cannot be read, or its value is run as a text of its own.
    pub(super) opaque: bool,
}

/// Resolves a word as it was written.
pub(super) fn resolve(text: &str, values: &Values) -> Resolved {
    let options = ParserOptions::default();
    let mut out = Resolved::default();
    let texts = match open_braces(text) {
        0 => vec![text.to_owned()],
        // The parser's time doubles with each that stays open.
        some if some > BRACES || text.matches('{').count() > 2 * BRACES => {
            out.opaque = true;
            return out;
        }
        _ => match word::parse_brace_expansions(text, &options) {
            Ok(Some(pieces)) => braces(&pieces).unwrap_or_else(|| {
                out.opaque = true;
                Vec::new()
            }),
            _ => vec![text.to_owned()],
        },
    };
    for text in texts {
        match word::parse(&text, &options) {
            Ok(pieces) => out.add(&pieces, values),
            Err(_) => out.opaque = true,
        }
    }
    out
}

/// Resolves the body of a here-document whose end was not quoted.
pub(super) fn resolve_document(text: &str, values: &Values) -> Resolved {
    let mut out = Resolved::default();
    match word::parse_heredoc(text, &ParserOptions::default()) {
        Ok(pieces) => out.add(&pieces, values),
        Err(_) => out.opaque = true,
    }
    out
}

/// The words that braces stand for; nothing when they are too many, or a sequence.
fn braces(pieces: &[BraceExpressionOrText]) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for piece in pieces {
        let choices = match piece {
            BraceExpressionOrText::Text(text) => vec![text.clone()],
            BraceExpressionOrText::Expr(members) => {
                let mut choices = Vec::new();
                for member in members {
                    match member {
                        BraceExpressionMember::Child(inner) => choices.extend(braces(inner)?),
                        // `{1..9}`: one stands for all.
                        BraceExpressionMember::NumberSequence { start, .. } => choices.push(start.to_string()),
                        // `{a..z}` could spell a program.
                        BraceExpressionMember::CharSequence { .. } => return None,
                    }
                }
                choices
            }
        };
        if all.len() * choices.len() > EXPANDED {
            return None;
        }
        all = all.iter().flat_map(|before| choices.iter().map(move |choice| format!("{before}{choice}"))).collect();
    }
    Some(all)
}

impl Resolved {
    fn add(&mut self, pieces: &[WordPieceWithSource], values: &Values) {
        let mut arg = Arg { exact: true, ..Arg::default() };
        for piece in pieces {
            self.piece(&piece.piece, false, &mut arg, values);
        }
        // Alone it is the name of `test`, not a pattern.
        arg.glob &= arg.text != "[";
        self.args.push(arg);
    }

    fn piece(&mut self, piece: &WordPiece, quoted: bool, arg: &mut Arg, values: &Values) {
        match piece {
            WordPiece::Text(text) => {
                arg.glob |= !quoted && text.contains(['*', '?', '[']);
                arg.text.push_str(text);
            }
            WordPiece::SingleQuotedText(text) => arg.text.push_str(text),
            WordPiece::AnsiCQuotedText(text) => arg.text.push_str(&ansi_c(text)),
            WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                inner.iter().for_each(|piece| self.piece(&piece.piece, true, arg, values));
            }
            WordPiece::EscapeSequence(text) => match text.strip_prefix('\\').unwrap_or(text) {
                "\n" => {}
                text => arg.text.push_str(text),
            },
            WordPiece::TildeExpansion(tilde) => match tilde {
                TildeExpr::Home => arg.text.push('~'),
                TildeExpr::UserHome(user) => {
                    arg.text.push('~');
                    arg.text.push_str(user);
                }
                _ => arg.exact = false,
            },
            WordPiece::ParameterExpansion(expression) => self.parameter(expression, arg, values),
            WordPiece::CommandSubstitution(text) | WordPiece::BackquotedCommandSubstitution(text) => {
                self.scripts.push(text.clone());
                arg.computed = true;
                arg.exact = false;
            }
            WordPiece::ArithmeticExpression(expression) => {
                self.inner(&expression.value, values);
                arg.exact = false;
            }
        }
    }

    fn parameter(&mut self, expression: &ParameterExpr, arg: &mut Arg, values: &Values) {
        use ParameterExpr as E;
        arg.exact = false;
        if is_indirect(expression) {
            // The value names the variable that is shown: it may be any.
            arg.variables.push("ANY_SECRET".to_owned());
        }
        let (parameter, shows, inner) = match expression {
            E::Parameter { parameter, .. } => (parameter, true, vec![]),
            E::UseDefaultValues { parameter, default_value, .. }
            | E::AssignDefaultValues { parameter, default_value, .. } => {
                (parameter, true, vec![default_value.as_deref()])
            }
            E::IndicateErrorIfNullOrUnset { parameter, error_message, .. } => {
                arg.guarded = true;
                (parameter, true, vec![error_message.as_deref()])
            }
            E::UseAlternativeValue { parameter, alternative_value, .. } => {
                (parameter, false, vec![alternative_value.as_deref()])
            }
            E::ParameterLength { parameter, .. } => (parameter, false, vec![]),
            E::RemoveSmallestSuffixPattern { parameter, pattern, .. }
            | E::RemoveLargestSuffixPattern { parameter, pattern, .. }
            | E::RemoveSmallestPrefixPattern { parameter, pattern, .. }
            | E::RemoveLargestPrefixPattern { parameter, pattern, .. }
            | E::UppercaseFirstChar { parameter, pattern, .. }
            | E::UppercasePattern { parameter, pattern, .. }
            | E::LowercaseFirstChar { parameter, pattern, .. }
            | E::LowercasePattern { parameter, pattern, .. } => (parameter, true, vec![pattern.as_deref()]),
            E::Substring { parameter, offset, length, .. } => (
                parameter,
                true,
                vec![Some(offset.value.as_str()), length.as_ref().map(|length| length.value.as_str())],
            ),
            E::Transform { parameter, op, .. } => {
                // A prompt runs the command substitutions in the value.
                self.opaque |= matches!(op, ParameterTransformOp::PromptExpand);
                (parameter, true, vec![])
            }
            E::ReplaceSubstring { parameter, pattern, replacement, .. } => {
                (parameter, true, vec![Some(pattern.as_str()), replacement.as_deref()])
            }
            // Names, not values.
            E::VariableNames { .. } | E::MemberKeys { .. } => return,
        };
        inner.into_iter().flatten().for_each(|text| self.inner(text, values));
        let name = match parameter {
            Parameter::Named(name) | Parameter::NamedWithAllIndices { name, .. } => name,
            Parameter::NamedWithIndex { name, index } => {
                self.inner(index, values);
                name
            }
            Parameter::Positional(_) | Parameter::Special(_) => return,
        };
        if shows {
            arg.text.push_str(values.get(name).map(String::as_str).unwrap_or_default());
            arg.variables.push(name.clone());
        }
    }

    /// A text inside of an expansion, which may hold more of them. Its variables count as those of the next word would:
    /// their scripts are what matters.
    fn inner(&mut self, text: &str, values: &Values) {
        let inner = resolve(text, values);
        self.scripts.extend(inner.scripts);
        self.opaque |= inner.opaque;
    }
}

/// `${!NAME}` shows the variable that NAME's value names.
fn is_indirect(expression: &ParameterExpr) -> bool {
    use ParameterExpr as E;
    match expression {
        E::Parameter { indirect, .. }
        | E::UseDefaultValues { indirect, .. }
        | E::AssignDefaultValues { indirect, .. }
        | E::IndicateErrorIfNullOrUnset { indirect, .. }
        | E::UseAlternativeValue { indirect, .. }
        | E::ParameterLength { indirect, .. }
        | E::RemoveSmallestSuffixPattern { indirect, .. }
        | E::RemoveLargestSuffixPattern { indirect, .. }
        | E::RemoveSmallestPrefixPattern { indirect, .. }
        | E::RemoveLargestPrefixPattern { indirect, .. }
        | E::Substring { indirect, .. }
        | E::Transform { indirect, .. }
        | E::UppercaseFirstChar { indirect, .. }
        | E::UppercasePattern { indirect, .. }
        | E::LowercaseFirstChar { indirect, .. }
        | E::LowercasePattern { indirect, .. }
        | E::ReplaceSubstring { indirect, .. } => *indirect,
        E::VariableNames { .. } | E::MemberKeys { .. } => false,
    }
}

/// `$'...'` as bash reads it (QUOTING in its manual). Stops at a NUL, as bash does.
fn ansi_c(text: &str) -> String {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        let Some(escape) = rest.next() else { break };
        let mut digits = |first: Option<char>, radix: u32, most: usize| {
            let mut number = first.and_then(|digit| digit.to_digit(radix)).unwrap_or_default();
            let mut left = most;
            while left > 0
                && let Some(digit) = rest.peek().and_then(|digit| digit.to_digit(radix))
            {
                number = number.wrapping_mul(radix).wrapping_add(digit);
                rest.next();
                left -= 1;
            }
            number
        };
        match escape {
            'a' => out.push(7),
            'b' => out.push(8),
            'e' | 'E' => out.push(27),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            'x' => out.push(u8::try_from(digits(None, 16, 2) & 0xff).unwrap_or_default()),
            '0'..='7' => out.push(u8::try_from(digits(Some(escape), 8, 2) & 0xff).unwrap_or_default()),
            'u' | 'U' => {
                let code = digits(None, 16, if escape == 'u' { 4 } else { 8 });
                out.extend(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string().bytes());
            }
            'c' => out.extend(rest.next().and_then(|c| u8::try_from(c).ok()).map(|byte| byte & 0x1f)),
            other => out.extend(other.to_string().bytes()),
        }
    }
    let end = out.iter().position(|byte| *byte == 0).unwrap_or(out.len());
    String::from_utf8_lossy(out.get(..end).unwrap_or_default()).into_owned()
}

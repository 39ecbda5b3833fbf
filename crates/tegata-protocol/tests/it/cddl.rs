//! Reads the CDDL (RFC 8610) on the specification's pages, as much of it as they use, and checks
//! encodings against it. What it gives back names each field as the page does.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Value, json};

use crate::cbor_tree::{Node, to_hex};

#[derive(Debug, Clone)]
enum Type {
    Name(String),
    Number(i128),
    Range(i128, i128),
    Text(String),
    Sized(Box<Type>, i128, i128),
    Cbor(Box<Type>),
    Tagged(u64, Box<Type>),
    Map(Vec<Member>),
    Array(Vec<Element>),
    Choice(Vec<Type>),
}

#[derive(Debug, Clone)]
struct Member {
    key: u64,
    optional: bool,
    name: String,
    value: Type,
}

#[derive(Debug, Clone)]
struct Element {
    least: usize,
    most: usize,
    name: Option<String>,
    value: Type,
}

/// Every rule of every page.
pub(crate) struct Rules {
    rules: BTreeMap<String, Type>,
    /// Which fields were seen, so that a field that nothing ever has is noticed.
    seen: RefCell<BTreeSet<(String, u64)>>,
}

impl Rules {
    /// Reads the blocks marked `cddl` of some Markdown texts.
    pub(crate) fn of_pages<'a>(pages: impl Iterator<Item = &'a str>) -> Self {
        let mut rules = BTreeMap::new();
        for page in pages {
            for block in page.split("```cddl\n").skip(1) {
                let block = block.split("```").next().unwrap();
                let mut reader = Reader::new(block);
                while !reader.at_end() {
                    let (name, value) = reader.rule();
                    assert!(
                        rules.insert(name.clone(), value).is_none(),
                        "{name} stands twice"
                    );
                }
            }
        }
        let seen = RefCell::default();
        Self { rules, seen }
    }

    /// The same rules, but any bytes will do where this one is named.
    pub(crate) fn with_bytes_for(mut self, name: &str) -> Self {
        assert!(
            self.rules
                .insert(name.into(), Type::Name("bstr".into()))
                .is_some()
        );
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.rules.contains_key(name)
    }

    /// The fields of maps that no check has met yet.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for (rule, value) in &self.rules {
            if let Type::Map(members) = value {
                let seen = self.seen.borrow();
                let missing = members
                    .iter()
                    .filter(|m| !seen.contains(&(rule.clone(), m.key)));
                unseen.extend(missing.map(|m| format!("{rule}.{}", m.name)));
            }
        }
        unseen
    }

    /// Is the node what the rule says? Gives it with its fields' names.
    pub(crate) fn check(&self, rule: &str, node: &Node) -> Result<Value, String> {
        self.named(rule, node).map_err(|e| format!("{rule}: {e}"))
    }

    fn named(&self, name: &str, node: &Node) -> Result<Value, String> {
        let wrong = || Err(format!("{node:?} isn't {name}"));
        match (name, node) {
            ("uint" | "any", Node::Uint(n)) => Ok(json!(n)),
            ("bool" | "any", Node::Bool(b)) => Ok(json!(b)),
            ("tstr" | "any", Node::Text(t)) => Ok(json!(t)),
            ("bstr" | "any", Node::Bytes(b)) => Ok(json!(to_hex(b))),
            ("null" | "any", Node::Null) => Ok(Value::Null),
            ("any", Node::Array(_) | Node::Map(_)) => Ok(json!(to_hex(&node.bytes()))),
            ("uint" | "bool" | "tstr" | "bstr" | "null" | "any", _) => wrong(),
            _ => match self.rules.get(name) {
                None => Err(format!("no rule {name}")),
                Some(Type::Map(members)) => self.map(name, members, node),
                Some(value) => self.matches(value, node),
            },
        }
    }

    fn matches(&self, value: &Type, node: &Node) -> Result<Value, String> {
        let wrong = |what: String| Err(format!("{node:?} isn't {what}"));
        match (value, node) {
            (Type::Name(name), _) => self.named(name, node),
            (Type::Number(n), _) if number(node) == Some(*n) => {
                Ok(json!(i64::try_from(*n).unwrap()))
            }
            (Type::Range(low, high), _) => match number(node) {
                Some(n) if (*low..=*high).contains(&n) => Ok(json!(i64::try_from(n).unwrap())),
                _ => wrong(format!("within {low}..{high}")),
            },
            (Type::Text(text), Node::Text(t)) if t == text => Ok(json!(t)),
            (Type::Sized(inner, low, high), _) => {
                let length = match node {
                    Node::Bytes(b) => b.len(),
                    Node::Text(t) => t.len(),
                    _ => return wrong("a string".into()),
                };
                if (*low..=*high).contains(&(length as i128)) {
                    self.matches(inner, node)
                } else {
                    wrong(format!("of {low} to {high} bytes"))
                }
            }
            (Type::Cbor(inner), Node::Bytes(b)) => {
                self.matches(inner, &Node::read(b)?)?;
                Ok(json!(to_hex(b)))
            }
            (Type::Tagged(tag, inner), Node::Tag(t, item)) if t == tag => self.matches(inner, item),
            (Type::Map(members), _) => self.map("", members, node),
            (Type::Array(elements), Node::Array(items)) => self.array(elements, items),
            (Type::Choice(choices), _) => {
                let found = choices.iter().find_map(|c| self.matches(c, node).ok());
                found.map_or_else(|| wrong("any of the choices".into()), Ok)
            }
            _ => wrong(format!("{value:?}")),
        }
    }

    fn map(&self, rule: &str, members: &[Member], node: &Node) -> Result<Value, String> {
        let Node::Map(pairs) = node else {
            return Err(format!("{node:?} isn't a map"));
        };
        let mut named = serde_json::Map::new();
        for (key, value) in pairs {
            let member = members.iter().find(|m| *key == Node::Uint(m.key));
            let member = member.ok_or_else(|| format!("no field {key:?} on the page"))?;
            self.seen.borrow_mut().insert((rule.to_owned(), member.key));
            let value = self.matches(&member.value, value);
            named.insert(
                member.name.clone(),
                value.map_err(|e| format!("{}: {e}", member.name))?,
            );
        }
        let absent = members
            .iter()
            .find(|m| !m.optional && !named.contains_key(&m.name));
        absent.map_or(Ok(Value::Object(named)), |m| {
            Err(format!("{} is missing", m.name))
        })
    }

    fn array(&self, elements: &[Element], items: &[Node]) -> Result<Value, String> {
        let (mut left, mut values, mut named) = (items, Vec::new(), serde_json::Map::new());
        for element in elements {
            let mut count = 0;
            while let (Some((first, rest)), true) = (left.split_first(), count < element.most) {
                match (self.matches(&element.value, first), count < element.least) {
                    (Ok(value), _) => {
                        match &element.name {
                            Some(name) => drop(named.insert(name.clone(), value)),
                            None => values.push(value),
                        }
                        left = rest;
                        count += 1;
                    }
                    (Err(e), true) => return Err(e),
                    (Err(_), false) => break,
                }
            }
            if count < element.least {
                return Err(format!("{:?} is missing", element.name));
            }
        }
        match (left, named.is_empty()) {
            ([], true) => Ok(Value::Array(values)),
            ([], false) => Ok(Value::Object(named)),
            (left, _) => Err(format!("{left:?} is too much or wrong")),
        }
    }
}

fn number(node: &Node) -> Option<i128> {
    match node {
        Node::Uint(n) => Some(i128::from(*n)),
        Node::Negative(n) => Some(-1 - i128::from(*n)),
        _ => None,
    }
}

/// A word or sign of CDDL, and the line that it stands on.
struct Token<'a> {
    text: &'a str,
    line: usize,
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    comments: Vec<&'a str>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn new(block: &'a str) -> Self {
        let (mut tokens, mut comments) = (Vec::new(), Vec::new());
        for (line, text) in block.lines().enumerate() {
            let (code, comment) = text.split_once(';').unwrap_or((text, ""));
            comments.push(comment.trim());
            tokens.extend(words(code).into_iter().map(|text| Token { text, line }));
        }
        Self {
            tokens,
            comments,
            next: 0,
        }
    }

    fn at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.next).map_or("", |t| t.text)
    }

    fn after(&self) -> &'a str {
        self.tokens.get(self.next + 1).map_or("", |t| t.text)
    }

    fn take(&mut self) -> &'a str {
        let text = self.peek();
        self.next += 1;
        text
    }

    fn takes(&mut self, text: &str) -> bool {
        let there = self.peek() == text;
        self.next += usize::from(there);
        there
    }

    fn expect(&mut self, text: &str) {
        assert!(self.takes(text), "expected {text}, found {:?}", self.peek());
    }

    fn rule(&mut self) -> (String, Type) {
        let name = self.take().to_owned();
        self.expect("=");
        (name, self.choice())
    }

    fn choice(&mut self) -> Type {
        let mut choices = vec![self.single()];
        while self.takes("/") {
            choices.push(self.single());
        }
        if choices.len() == 1 {
            choices.remove(0)
        } else {
            Type::Choice(choices)
        }
    }

    fn single(&mut self) -> Type {
        let first = self.take();
        let value = match first {
            "{" => return self.members(),
            "[" => return self.elements("]"),
            "#" => {
                let tag = self.take().strip_prefix("6.").unwrap().parse().unwrap();
                self.expect("(");
                let inner = self.choice();
                self.expect(")");
                return Type::Tagged(tag, Box::new(inner));
            }
            text if text.starts_with('"') => Type::Text(text.trim_matches('"').to_owned()),
            text => match text.parse::<i128>() {
                Ok(low) if self.takes("..") => Type::Range(low, self.take().parse().unwrap()),
                Ok(n) => Type::Number(n),
                Err(_) => Type::Name(text.to_owned()),
            },
        };
        match self.peek() {
            ".size" => self.sized(value),
            ".cbor" => {
                self.next += 1;
                Type::Cbor(Box::new(self.single()))
            }
            _ => value,
        }
    }

    fn sized(&mut self, value: Type) -> Type {
        self.expect(".size");
        let range = self.takes("(");
        let low = self.take().parse().unwrap();
        let high = if self.takes("..") {
            self.take().parse().unwrap()
        } else {
            low
        };
        if range {
            self.expect(")");
        }
        Type::Sized(Box::new(value), low, high)
    }

    fn members(&mut self) -> Type {
        let mut members = Vec::new();
        while !self.takes("}") {
            let optional = self.takes("?");
            let line = self.tokens[self.next].line;
            let key = self.take().parse().unwrap();
            self.expect(":");
            let value = self.choice();
            self.takes(",");
            let name = self.comments[line]
                .split([',', ' '])
                .next()
                .unwrap()
                .to_owned();
            assert!(!name.is_empty(), "field {key} has no name in its comment");
            members.push(Member {
                key,
                optional,
                name,
                value,
            });
        }
        Type::Map(members)
    }

    fn elements(&mut self, end: &str) -> Type {
        let mut elements = Vec::new();
        while !self.takes(end) {
            let (least, most) = self.occurrence();
            let name = (self.after() == ":").then(|| {
                let name = self.take().to_owned();
                self.expect(":");
                name
            });
            let value = self.choice();
            self.takes(",");
            elements.push(Element {
                least,
                most,
                name,
                value,
            });
        }
        Type::Array(elements)
    }

    fn occurrence(&mut self) -> (usize, usize) {
        match self.peek() {
            "?" => {
                self.next += 1;
                (0, 1)
            }
            text if text.contains('*') => {
                self.next += 1;
                let (low, high) = text.split_once('*').unwrap();
                (low.parse().unwrap_or(0), high.parse().unwrap_or(usize::MAX))
            }
            _ => (1, 1),
        }
    }
}

/// Splits a line into words and signs.
fn words(code: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), code.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').unwrap() + 2,
            '.' if rest.starts_with("..") => 2,
            '{' | '}' | '[' | ']' | '(' | ')' | ',' | ':' | '?' | '/' | '=' | '#' => 1,
            '.' => rest[1..]
                .find(|c: char| !c.is_alphanumeric())
                .map_or(rest.len(), |n| n + 1),
            _ => word_length(rest),
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// A name, a number, `6.18` or an occurrence such as `1*4`; `..` ends it.
fn word_length(rest: &str) -> usize {
    let dots = rest.find("..").unwrap_or(rest.len());
    let inside = |c: char| c.is_alphanumeric() || "-_*.".contains(c);
    rest.find(|c| !inside(c)).unwrap_or(rest.len()).min(dots)
}

#[test]
fn the_reader_tells_right_from_wrong() {
    let page = "x\n```cddl\na = { 0: 1..5, ; low\n ? 1: b / null, ; some\n}\nb = [x: tstr .size (1..2), * uint]\n```\n";
    let rules = Rules::of_pages([page].into_iter());
    let node = |text: &str| Node::read(&crate::cbor_tree::from_hex(text)).unwrap();
    assert_eq!(rules.check("a", &node("a10005")), Ok(json!({"low": 5})));
    assert_eq!(rules.unseen(), ["a.some"]);
    assert!(rules.check("a", &node("a2000501816161")).is_ok());
    for bad in ["a10006", "a0", "a200050201", "a20005018163616161", "a10105"] {
        assert!(rules.check("a", &node(bad)).is_err(), "{bad}");
    }
}

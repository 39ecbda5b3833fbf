//! A strict pull reader for the XML of bank files.
//!
//! It walks elements one by one and always knows where it is, so that every error names line,
//! column and path. What a bank file never needs and an attacker likes is refused: document
//! types, entities of one's own, foreign namespaces, deep nesting, huge files. Comments and
//! processing instructions are passed over.

use quick_xml::Reader;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::error::{StatementError, StatementErrorKind as Kind};

/// The largest file that is read: 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The deepest nesting of elements.
pub const MAX_DEPTH: usize = 64;
/// The most attributes of one element. The format itself has one.
const MAX_ATTRIBUTES: usize = 16;
/// Elements that come in numbers: their place is always shown.
const NUMBERED: [&str; 3] = ["Stmt", "Ntry", "TxDtls"];

/// Where in the file something stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    offset: usize,
    path: String,
}

/// The reader, standing inside the innermost open element.
pub(crate) struct Xml<'a> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    open: Vec<Frame>,
    attributes: Vec<(String, String)>,
    /// The prefix of the document's namespace, with its colon; mostly empty.
    prefix: String,
    /// The attribute that declares it: `xmlns`, or `xmlns:` and the prefix.
    declaration: String,
    /// The innermost element has ended, but errors still speak of it.
    ended: bool,
    counted: Counted,
}

/// An open element.
struct Frame {
    name: String,
    /// Which one among its equally named neighbours, from 1.
    nth: u32,
    offset: usize,
    last_child: (String, u32),
}

/// How far lines were counted already.
#[derive(Clone, Copy)]
struct Counted {
    offset: usize,
    line: u32,
}

/// What comes next, comments and the like left out.
enum Piece {
    Start(String),
    End,
    Text(String),
    Eof,
}

impl<'a> Xml<'a> {
    /// Opens a file and its root element, which must be `Document` of `namespace`.
    pub(crate) fn document(bytes: &'a [u8], namespace: &str) -> Result<Self, StatementError> {
        let mut xml = Self::new(utf8(bytes)?);
        let why = loop {
            match xml.piece()? {
                Piece::Start(name) => {
                    xml.enter_root(&name, namespace)?;
                    return Ok(xml);
                }
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Text(_) | Piece::End => break "it doesn't begin with an element",
                Piece::Eof => break "the file is empty",
            }
        };
        Err(xml.error(Kind::NotXml(why.into())))
    }

    fn new(source: &'a str) -> Self {
        let mut reader = Reader::from_str(source);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        Self {
            source,
            reader,
            open: Vec::new(),
            attributes: Vec::new(),
            prefix: String::new(),
            declaration: String::new(),
            ended: false,
            counted: Counted { offset: 0, line: 1 },
        }
    }

    fn enter_root(&mut self, name: &str, namespace: &str) -> Result<(), StatementError> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if prefix.is_empty() {
            self.declaration = "xmlns".to_owned();
        } else {
            self.declaration = format!("xmlns:{prefix}");
            self.prefix = format!("{prefix}:");
        }
        if let Some(root) = self.open.first_mut() {
            root.name = local.to_owned();
        }
        let found = self
            .attribute(&self.declaration)
            .unwrap_or_default()
            .to_owned();
        if found != namespace || local != "Document" {
            return Err(self.error(Kind::Version {
                found: message_name(&found, local),
            }));
        }
        Ok(())
    }

    /// Goes to the next child of the open element and enters it; `None` when there is none left.
    pub(crate) fn child(&mut self) -> Result<Option<String>, StatementError> {
        self.leave_ended();
        loop {
            match self.piece()? {
                Piece::Start(name) => return self.local(&name).map(Some),
                Piece::End => {
                    self.ended = true;
                    return Ok(None);
                }
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Text(_) => return Err(self.error(Kind::StrayText)),
                Piece::Eof => return Err(self.end_of_file()),
            }
        }
    }

    /// The text of the open element, without blanks around it: 1 to `limit` characters.
    pub(crate) fn text(&mut self, limit: usize) -> Result<String, StatementError> {
        let mut text = String::new();
        loop {
            match self.piece()? {
                Piece::Text(more) => text.push_str(&more),
                Piece::End => break,
                Piece::Start(name) => return Err(self.unexpected(&name, "text")),
                Piece::Eof => return Err(self.end_of_file()),
            }
        }
        self.ended = true;
        let text = text.trim();
        let found = text.chars().count();
        if !(1..=limit).contains(&found) {
            return Err(self.error(Kind::Length { found, limit }));
        }
        Ok(text.to_owned())
    }

    /// Passes over the open element and all that is in it.
    pub(crate) fn skip(&mut self) -> Result<(), StatementError> {
        let depth = self.open.len();
        loop {
            match self.piece()? {
                Piece::End if self.open.len() == depth => {
                    self.ended = true;
                    return Ok(());
                }
                Piece::End => self.leave(),
                Piece::Start(_) | Piece::Text(_) => {}
                Piece::Eof => return Err(self.end_of_file()),
            }
        }
    }

    /// Makes sure that nothing follows the root element, which has ended.
    pub(crate) fn finish(&mut self) -> Result<(), StatementError> {
        self.leave_ended();
        loop {
            match self.piece()? {
                Piece::Eof => return Ok(()),
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Text(_) | Piece::Start(_) | Piece::End => {
                    let why = "something follows the end of the document";
                    return Err(self.error(Kind::NotXml(why.into())));
                }
            }
        }
    }

    /// An attribute of the element that was entered last.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(n, _)| n == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The line where the innermost element begins.
    pub(crate) fn line(&mut self) -> u32 {
        let offset = self.offset();
        if offset >= self.counted.offset {
            let passed = self.source.as_bytes().get(self.counted.offset..offset);
            self.counted.line += newlines(passed.unwrap_or_default());
            self.counted.offset = offset;
        }
        self.counted.line
    }

    /// The innermost element, to speak of it later.
    pub(crate) fn place(&self) -> Place {
        Place {
            offset: self.offset(),
            path: self.path(),
        }
    }

    /// An error at the innermost element.
    pub(crate) fn error(&self, kind: Kind) -> StatementError {
        self.error_at(&self.place(), kind)
    }

    /// An error at a place seen before.
    pub(crate) fn error_at(&self, place: &Place, kind: Kind) -> StatementError {
        error_in(self.source, place, kind)
    }

    /// The element just entered doesn't belong here.
    pub(crate) fn unexpected(&self, element: &str, expected: &'static str) -> StatementError {
        self.error(Kind::Unexpected {
            element: element.chars().take(40).collect(),
            expected,
        })
    }

    fn piece(&mut self) -> Result<Piece, StatementError> {
        loop {
            let offset = self.position();
            let event = self.reader.read_event().map_err(|e| self.syntax(&e))?;
            match event {
                Event::Start(tag) => return self.enter(&tag, offset).map(Piece::Start),
                Event::End(_) => return Ok(Piece::End),
                Event::Text(text) => return Ok(Piece::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Piece::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => return self.entity(&reference).map(Piece::Text),
                Event::Eof => return Ok(Piece::Eof),
                Event::DocType(_) => return Err(self.error_here(offset, Kind::Doctype)),
                Event::Decl(declaration) => self.declaration(&declaration, offset)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Empty(_) => {
                    return Err(self.error(Kind::NotXml("an element that can't be read".into())));
                }
            }
        }
    }

    fn enter(&mut self, tag: &BytesStart<'_>, offset: usize) -> Result<String, StatementError> {
        let name = tag.name().into_inner().to_owned();
        let nth = self.open.last_mut().map_or(1, |parent| parent.count(&name));
        self.open.push(Frame {
            name: self.without_prefix(&name).to_owned(),
            nth,
            offset,
            last_child: (String::new(), 0),
        });
        if self.open.len() > MAX_DEPTH {
            return Err(self.error(Kind::TooDeep { limit: MAX_DEPTH }));
        }
        self.attributes.clear();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| self.error(Kind::NotXml(e.to_string())))?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map_err(|e| self.error(Kind::NotXml(e.to_string())))?;
            let key = attribute.key.into_inner().to_owned();
            self.attributes.push((key, value.into_owned()));
            if self.attributes.len() > MAX_ATTRIBUTES {
                return Err(self.error(Kind::NotXml("an element has too many attributes".into())));
            }
        }
        Ok(name)
    }

    fn leave_ended(&mut self) {
        if self.ended {
            self.ended = false;
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.open.pop();
    }

    /// The name of an element of the document's own namespace.
    fn local(&self, name: &str) -> Result<String, StatementError> {
        let local = self.without_prefix(name);
        let own = name.len() - local.len() == self.prefix.len() && !local.contains(':');
        if !own || self.attribute(&self.declaration).is_some() {
            return Err(self.unexpected(name, "an element of camt.053.001.08"));
        }
        Ok(local.to_owned())
    }

    fn without_prefix<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(self.prefix.as_str()).unwrap_or(name)
    }

    fn entity(&self, reference: &BytesRef<'_>) -> Result<String, StatementError> {
        let unknown = || self.error(Kind::Entity(reference.chars().take(40).collect()));
        if let Some(known) = resolve_xml_entity(reference) {
            return Ok(known.to_owned());
        }
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_xml(c) => Ok(c.to_string()),
            _ => Err(unknown()),
        }
    }

    fn declaration(&self, found: &BytesDecl<'_>, offset: usize) -> Result<(), StatementError> {
        let refuse = |why: &str| Err(self.error_here(offset, Kind::NotXml(why.into())));
        let encoding = found.encoding().transpose().ok().flatten();
        if offset != 0 {
            return refuse("an XML declaration stands in the middle");
        }
        if found.version().ok().as_deref() != Some("1.0") {
            return refuse("its declaration doesn't say version 1.0");
        }
        match encoding {
            Some(name) if !name.eq_ignore_ascii_case("utf-8") => {
                refuse("it is declared as something other than UTF-8")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn syntax(&self, error: &Error) -> StatementError {
        let offset = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        let cut = matches!(error, Error::Syntax(kind) if is_cut(*kind));
        if cut && !self.open.is_empty() {
            return self.error_here(offset, Kind::Truncated);
        }
        self.error_here(offset, Kind::NotXml(error.to_string()))
    }

    fn end_of_file(&self) -> StatementError {
        self.error_here(self.source.len(), Kind::Truncated)
    }

    fn error_here(&self, offset: usize, kind: Kind) -> StatementError {
        self.error_at(
            &Place {
                offset,
                path: self.path(),
            },
            kind,
        )
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn offset(&self) -> usize {
        self.open.last().map_or(0, |frame| frame.offset)
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.open {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&frame.name);
            if frame.nth > 1 || NUMBERED.contains(&frame.name.as_str()) {
                path.push_str(&format!("[{}]", frame.nth));
            }
        }
        path
    }
}

impl Frame {
    /// Counts a child among its equally named neighbours.
    fn count(&mut self, name: &str) -> u32 {
        if self.last_child.0 == name {
            self.last_child.1 += 1;
        } else {
            self.last_child = (name.to_owned(), 1);
        }
        self.last_child.1
    }
}

/// The file as text: not too large, UTF-8, no characters that XML forbids, no byte order mark.
fn utf8(bytes: &[u8]) -> Result<&str, StatementError> {
    let start = Place {
        offset: 0,
        path: String::new(),
    };
    if bytes.len() > MAX_BYTES {
        let kind = Kind::TooLarge {
            bytes: bytes.len(),
            limit: MAX_BYTES,
        };
        return Err(error_in("", &start, kind));
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(e) => {
            let valid = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let valid = str::from_utf8(valid).unwrap_or_default();
            let place = Place {
                offset: valid.len(),
                path: String::new(),
            };
            return Err(error_in(
                valid,
                &place,
                Kind::NotXml("it isn't UTF-8".into()),
            ));
        }
    };
    match text.char_indices().find(|(_, c)| !is_xml(*c)) {
        None => Ok(text),
        Some((offset, _)) => {
            let place = Place {
                offset,
                path: String::new(),
            };
            let why = "it holds a control character";
            Err(error_in(text, &place, Kind::NotXml(why.into())))
        }
    }
}

/// May this character stand in XML 1.0?
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Does this error mean that the file ended too early?
fn is_cut(error: SyntaxError) -> bool {
    match error {
        SyntaxError::InvalidBangMarkup => false,
        SyntaxError::UnclosedPI
        | SyntaxError::UnclosedXmlDecl
        | SyntaxError::UnclosedComment
        | SyntaxError::UnclosedDoctype
        | SyntaxError::UnclosedCData
        | SyntaxError::UnclosedTag
        | SyntaxError::UnclosedSingleQuotedAttributeValue
        | SyntaxError::UnclosedDoubleQuotedAttributeValue => true,
    }
}

/// What to call a document of this namespace: banks' names for their messages where it has one.
fn message_name(namespace: &str, root: &str) -> String {
    let Some(message) = namespace.strip_prefix("urn:iso:std:iso:20022:tech:xsd:") else {
        return format!(
            "an XML document <{}> of another kind",
            root.chars().take(40).collect::<String>()
        );
    };
    let message: String = message.chars().take(40).collect();
    let what = match message.get(..8) {
        Some("camt.052") => " (an intraday report, which may still change)",
        Some("camt.053") => " (a statement in another version)",
        Some("camt.054") => " (a notification of single entries)",
        Some("pain.001" | "pain.002") => " (payment orders, not a statement)",
        Some(_) | None => "",
    };
    format!("{message}{what}")
}

fn error_in(source: &str, place: &Place, kind: Kind) -> StatementError {
    let before = source
        .as_bytes()
        .get(..place.offset)
        .unwrap_or(source.as_bytes());
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let in_line = before.get(line_start..).unwrap_or_default();
    let column = in_line.iter().filter(|b| (**b & 0xc0) != 0x80).count();
    StatementError {
        line: newlines(before) + 1,
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        path: place.path.clone(),
        kind,
    }
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|b| **b == b'\n').count()).unwrap_or(u32::MAX)
}

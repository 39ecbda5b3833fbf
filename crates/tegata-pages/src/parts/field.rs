//! Form fields: label, hint and error belong to the input for everybody, screen readers too.

use maud::{Markup, Render, html};

use crate::language::Language;
use crate::page::texts;

/// A field of a form. Put it into `maud` as `(Field::text("name", "Label").required())`.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    name: &'a str,
    label: &'a str,
    kind: Kind<'a>,
    hint: Option<&'a str>,
    error: Option<&'a str>,
    value: &'a str,
    required: bool,
    autofocus: bool,
    optional_word: Option<Language>,
    autocomplete: Option<&'a str>,
    inputmode: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Input(&'static str),
    Area(u8),
    Select(&'a [(&'a str, &'a str)]),
    Checkbox,
}

impl<'a> Field<'a> {
    /// A line of text.
    #[must_use]
    pub const fn text(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("text"))
    }

    /// A password. What was typed is never written into the page again.
    #[must_use]
    pub const fn password(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("password")).autocomplete("current-password")
    }

    /// A whole number.
    #[must_use]
    pub const fn number(name: &'a str, label: &'a str) -> Self {
        // Not type=number: it changes what was typed when the wheel turns over it.
        Self::of(name, label, Kind::Input("text")).inputmode("numeric")
    }

    /// A date.
    #[must_use]
    pub const fn date(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("date"))
    }

    /// A mail address.
    #[must_use]
    pub const fn email(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("email")).autocomplete("email")
    }

    /// A telephone number.
    #[must_use]
    pub const fn telephone(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("tel")).autocomplete("tel")
    }

    /// A file; its form needs `enctype="multipart/form-data"`.
    #[must_use]
    pub const fn file(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Input("file"))
    }

    /// Several lines of text.
    #[must_use]
    pub const fn area(name: &'a str, label: &'a str, lines: u8) -> Self {
        Self::of(name, label, Kind::Area(lines))
    }

    /// One of several values: `(value, text)`.
    #[must_use]
    pub const fn select(name: &'a str, label: &'a str, options: &'a [(&'a str, &'a str)]) -> Self {
        Self::of(name, label, Kind::Select(options))
    }

    /// A box to tick; its value is `yes`. Any value given ticks it.
    #[must_use]
    pub const fn checkbox(name: &'a str, label: &'a str) -> Self {
        Self::of(name, label, Kind::Checkbox)
    }

    const fn of(name: &'a str, label: &'a str, kind: Kind<'a>) -> Self {
        Self {
            name,
            label,
            kind,
            hint: None,
            error: None,
            value: "",
            required: false,
            autofocus: false,
            optional_word: None,
            autocomplete: None,
            inputmode: None,
        }
    }

    /// What helps to fill it in.
    #[must_use]
    pub const fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// What was wrong with what was sent, if anything.
    #[must_use]
    pub fn error(mut self, error: impl Into<Option<&'a str>>) -> Self {
        self.error = error.into();
        self
    }

    /// What stands in it.
    #[must_use]
    pub const fn value(mut self, value: &'a str) -> Self {
        self.value = value;
        self
    }

    /// It may not be left empty.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The cursor stands in it when the page opens: one such field a page.
    #[must_use]
    pub const fn autofocus(mut self) -> Self {
        self.autofocus = true;
        self
    }

    /// Says that it may be left empty.
    #[must_use]
    pub const fn optional(mut self, language: Language) -> Self {
        self.optional_word = Some(language);
        self
    }

    /// What the browser may fill in, e.g. `name`, `one-time-code`, `new-password`.
    #[must_use]
    pub const fn autocomplete(mut self, token: &'a str) -> Self {
        self.autocomplete = Some(token);
        self
    }

    /// Which keyboard a phone shows, e.g. `numeric`.
    #[must_use]
    pub const fn inputmode(mut self, mode: &'a str) -> Self {
        self.inputmode = Some(mode);
        self
    }

    fn id(&self) -> String {
        format!("field-{}", self.name)
    }

    /// The ids of hint and error, for the input to refer to.
    fn described_by(&self) -> Option<String> {
        let id = self.id();
        let hint = self.hint.map(|_| format!("{id}-hint"));
        let error = self.error.map(|_| format!("{id}-error"));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn control(&self) -> Markup {
        let (id, described) = (self.id(), self.described_by());
        let invalid = self.error.map(|_| "true");
        match self.kind {
            Kind::Input(kind) => {
                let shown = !matches!(kind, "password" | "file");
                html! {
                    input id=(id) name=(self.name) type=(kind)
                        value=[shown.then_some(self.value)]
                        required[self.required] autofocus[self.autofocus]
                        autocomplete=[self.autocomplete]
                        inputmode=[self.inputmode] aria-describedby=[described]
                        aria-invalid=[invalid];
                }
            }
            Kind::Area(lines) => html! {
                textarea id=(id) name=(self.name) rows=(lines) required[self.required]
                    aria-describedby=[described] aria-invalid=[invalid] { (self.value) }
            },
            Kind::Select(options) => html! {
                select id=(id) name=(self.name) required[self.required]
                    aria-describedby=[described] aria-invalid=[invalid] {
                    @for (value, text) in options {
                        option value=(value) selected[*value == self.value] { (text) }
                    }
                }
            },
            Kind::Checkbox => html! {
                input id=(id) name=(self.name) type="checkbox" value="yes"
                    checked[!self.value.is_empty()] required[self.required]
                    aria-describedby=[described] aria-invalid=[invalid];
            },
        }
    }

    fn label(&self) -> Markup {
        html! {
            label for=(self.id()) {
                (self.label)
                @if let Some(language) = self.optional_word {
                    span.optional { " (" (texts(language).text("optional")) ")" }
                }
            }
        }
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let tick = matches!(self.kind, Kind::Checkbox);
        let class = if tick { "field tick" } else { "field" };
        html! {
            div class=(class) {
                @if tick { (self.control()) (self.label()) } @else { (self.label()) }
                @if let Some(hint) = self.hint {
                    p.hint id={ (self.id()) "-hint" } { (hint) }
                }
                @if let Some(error) = self.error {
                    p.error id={ (self.id()) "-error" } { (error) }
                }
                @if !tick { (self.control()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_and_error_belong_to_the_input() {
        let field = Field::text("n", "Name")
            .hint("h")
            .error("e")
            .value("\"<")
            .required();
        let html = field.render().into_string();
        assert!(
            html.contains(r#"aria-describedby="field-n-hint field-n-error""#),
            "{html}"
        );
        assert!(html.contains(r#"aria-invalid="true""#), "{html}");
        assert!(
            html.contains(r#"<p class="error" id="field-n-error">e</p>"#),
            "{html}"
        );
        assert!(html.contains(r#"<label for="field-n">Name"#), "{html}");
        assert!(html.contains(r#"value="&quot;&lt;""#), "{html}");
        assert!(
            !Field::text("n", "N")
                .render()
                .into_string()
                .contains("aria-")
        );
    }

    #[test]
    fn a_password_is_never_written_back() {
        let html = Field::password("b", "B")
            .value("sesame")
            .render()
            .into_string();
        assert!(!html.contains("sesame"), "{html}");
    }
}

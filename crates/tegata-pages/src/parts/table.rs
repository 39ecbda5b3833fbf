//! Tables with a caption. On a narrow screen the table scrolls within itself, not the page.

use maud::{Markup, Render, html};

use crate::language::Language;
use crate::page::texts;

/// A column's head.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    title: &'a str,
    numeric: bool,
}

impl<'a> Column<'a> {
    /// A column of text.
    #[must_use]
    pub const fn text(title: &'a str) -> Self {
        Self {
            title,
            numeric: false,
        }
    }

    /// A column of figures: right-aligned, digits of equal width.
    #[must_use]
    pub const fn number(title: &'a str) -> Self {
        Self {
            title,
            numeric: true,
        }
    }

    const fn class(&self) -> Option<&'static str> {
        if self.numeric { Some("number") } else { None }
    }
}

/// A table. Put it into `maud` as `(Table::new(language, "Caption", columns).rows(rows))`.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    language: Language,
    caption: &'a str,
    columns: Vec<Column<'a>>,
    rows: Vec<Vec<Markup>>,
    total: Option<Vec<Markup>>,
    empty: Option<&'a str>,
}

impl<'a> Table<'a> {
    /// A table without rows.
    pub fn new(
        language: Language,
        caption: &'a str,
        columns: impl IntoIterator<Item = Column<'a>>,
    ) -> Self {
        let columns = columns.into_iter().collect();
        Self {
            language,
            caption,
            columns,
            rows: Vec::new(),
            total: None,
            empty: None,
        }
    }

    /// Its rows; the first cell names the row.
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Vec<Markup>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    /// A last row, set apart.
    #[must_use]
    pub fn total(mut self, total: Vec<Markup>) -> Self {
        self.total = Some(total);
        self
    }

    /// What to say when there's no row.
    #[must_use]
    pub const fn when_empty(mut self, text: &'a str) -> Self {
        self.empty = Some(text);
        self
    }

    fn row(&self, cells: &[Markup]) -> Markup {
        html! {
            tr {
                @for (column, cell) in self.columns.iter().zip(cells) {
                    td class=[column.class()] { (cell) }
                }
            }
        }
    }
}

impl Render for Table<'_> {
    fn render(&self) -> Markup {
        let nothing = self.empty.unwrap_or(texts(self.language).text("nothing"));
        html! {
            div.table tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            @for column in &self.columns {
                                th scope="col" class=[column.class()] { (column.title) }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows { (self.row(row)) }
                        @if self.rows.is_empty() {
                            tr { td.nothing colspan=(self.columns.len()) { (nothing) } }
                        }
                    }
                    @if let Some(total) = &self.total { tfoot { (self.row(total)) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_marked_and_an_empty_table_says_so() {
        let columns = || [Column::text("What"), Column::number("Price")];
        let row = vec![html! { "Tea & cake" }, html! { "500" }];
        let html = Table::new(Language::En, "Prices", columns())
            .rows([row])
            .render();
        let html = html.into_string();
        assert!(
            html.contains(r#"<th scope="col" class="number">Price</th>"#),
            "{html}"
        );
        assert!(html.contains(r#"<td class="number">500</td>"#), "{html}");
        assert!(html.contains("Tea &amp; cake"), "{html}");
        let empty = Table::new(Language::Ja, "値段", columns())
            .render()
            .into_string();
        assert!(empty.contains("まだ何もありません。") && empty.contains("colspan=\"2\""));
    }
}

//! Doors: the ways into other parties' pages, each with its owner's mark and colour.

use maud::{Markup, html};

use crate::language::Language;
use crate::page::{Role, mark, role_name};

/// A door to somebody's pages.
#[derive(Clone, Debug)]
pub struct Door<'a> {
    /// What kind of party lives there.
    pub role: Role,
    /// Its own name.
    pub name: &'a str,
    /// What one can do there, in a sentence.
    pub text: &'a str,
    /// Where it leads.
    pub href: &'a str,
}

/// Doors side by side.
#[must_use]
pub fn doors(language: Language, doors: &[Door<'_>]) -> Markup {
    html! {
        ul.doors {
            @for door in doors {
                li.(door.role.class()) {
                    a href=(door.href) {
                        (mark(door.role))
                        span {
                            span.role { (role_name(language, door.role)) }
                            span.name { (door.name) }
                        }
                    }
                    p { (door.text) }
                    p.small translate="no" { (door.href) }
                }
            }
        }
    }
}

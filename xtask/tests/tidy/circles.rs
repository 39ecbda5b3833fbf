//! Files of a crate that need each other in a circle: none can be read, tested or moved without the rest. A
//! module and those inside it may know each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Crate, Module, Use};

/// Complains about each circle of a crate, with the uses that make it.
pub(crate) fn check(name: &str, of: &Crate) -> Vec<String> {
    let uses = of.uses();
    let reach = reach(&uses);
    let meets = |a: &Module, b: &Module| reach.get(a).is_some_and(|far| far.contains(b));
    let mut complaints = Vec::new();
    let mut told = BTreeSet::new();
    for module in reach.keys().filter(|module| meets(module, module)) {
        if told.contains(module) {
            continue;
        }
        let circle = reach
            .keys()
            .filter(|other| meets(module, other) && meets(other, module));
        let circle: BTreeSet<&Module> = circle.collect();
        let inside = uses
            .iter()
            .filter(|used| circle.contains(&used.from) && circle.contains(&used.to));
        let inside: Vec<String> = inside
            .map(|used| format!("  {} uses {}", used.place, used.to.join("::")))
            .collect();
        complaints.push(format!("{name}: files in a circle:\n{}", inside.join("\n")));
        told.extend(circle.into_iter().cloned());
    }
    complaints
}

/// What each module comes to, by however many uses.
fn reach(uses: &BTreeSet<Use>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut reach: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for used in uses {
        reach
            .entry(used.from.clone())
            .or_default()
            .insert(used.to.clone());
    }
    loop {
        let mut grown = false;
        let modules: Vec<Module> = reach.keys().cloned().collect();
        for module in modules {
            let near = reach[&module].clone();
            let far: BTreeSet<Module> = near
                .iter()
                .filter_map(|next| reach.get(next))
                .flatten()
                .cloned()
                .collect();
            let all = reach.entry(module).or_default();
            let before = all.len();
            all.extend(far);
            grown |= all.len() > before;
        }
        if !grown {
            return reach;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{modules::crates, tree::Source};

    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let path = |file: &str| format!("crates/tegata-shop/src/{file}");
        let sources = files
            .iter()
            .map(|(file, text)| Source::new(&path(file), text));
        let crates = crates(&sources.collect::<Vec<_>>());
        check("tegata-shop", &crates["tegata-shop"])
    }

    #[test]
    fn a_circle_of_three_is_named_with_its_uses() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use crate::c::C;\n"),
            ("c.rs", "use crate::{a::A, d::D};\n"),
            ("d.rs", ""),
        ];
        let found = complaints(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("src/c.rs:1 uses a"), "{found:?}");
        assert!(!found[0].contains("uses d"), "{found:?}");
    }

    #[test]
    fn a_re_export_hides_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "fn f(a: crate::A) {}\n"),
        ];
        assert_eq!(complaints(&files).len(), 1);
    }

    #[test]
    fn a_line_of_uses_is_no_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use super::*;\n"),
        ];
        assert_eq!(complaints(&files), [""; 0]);
    }
}

//! The licences of dependencies, as their manifests state them: SPDX expressions of `AND`, `OR`,
//! `WITH` and parentheses, and the older `A/B`, which means `OR`.

/// Complains about each line `package|expression` whose expression can't be met with the allowed
/// licences. A package of which the list says nothing is one to look at, so it is complained about.
pub(crate) fn check(list: &str, allowed: &[String]) -> Vec<String> {
    let lines = list.lines().map(|line| line.trim_end_matches("(*)").trim());
    let mut complaints: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .filter_map(|line| match line.rsplit_once('|') {
            Some((package, "")) => Some(format!("{package} states no licence")),
            Some((_, expression)) if is_met(expression, allowed) => None,
            Some((package, expression)) => Some(format!(
                "{package} is under {expression}, which deny.toml doesn't allow"
            )),
            None => Some(format!("`{line}` isn't `package|licence`")),
        })
        .collect();
    complaints.sort();
    complaints.dedup();
    complaints
}

/// Whether somebody who accepts only the allowed licences may use it. What can't be read isn't met.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    reader.any() == Some(true) && reader.words.is_empty()
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Reader<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.next_is("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.next_is("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.next_is("(") {
            let met = self.any()?;
            return self.next_is(")").then_some(met);
        }
        let mut licence = self.take()?.to_owned();
        if self.next_is("WITH") {
            licence = format!("{licence} WITH {}", self.take()?);
        }
        Some(self.allowed.contains(&licence))
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.first() == Some(&word);
        if is {
            self.words = &self.words[1..];
        }
        is
    }

    fn take(&mut self) -> Option<&str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str) -> bool {
        is_met(expression, &["MIT".to_owned(), "ISC".to_owned()])
    }

    #[test]
    fn one_of_an_or_is_enough_and_an_and_needs_all() {
        for good in [
            "MIT",
            "MIT/GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT AND ISC",
            "(GPL OR MIT) AND ISC",
        ] {
            assert!(met(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL OR LGPL)",
            "GPL OR MIT AND LGPL",
        ] {
            assert!(!met(bad), "{bad}");
        }
    }

    #[test]
    fn an_exception_makes_another_licence() {
        assert!(!met("MIT WITH LLVM-exception"));
        assert!(met("GPL WITH LLVM-exception OR MIT"));
    }

    #[test]
    fn what_cannot_be_read_is_not_met() {
        for broken in [
            "", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND MIT", "MIT WITH",
        ] {
            assert!(!met(broken), "{broken}");
        }
    }

    #[test]
    fn a_bad_package_is_named_once() {
        let list = "a v1|MIT\nb v1|GPL-3.0\nb v1|GPL-3.0 (*)\n\nc v1|\nwhat\n";
        let complaints = check(list, &["MIT".to_owned()]);
        assert_eq!(
            complaints,
            [
                "`what` isn't `package|licence`",
                "b v1 is under GPL-3.0, which deny.toml doesn't allow",
                "c v1 states no licence"
            ]
        );
    }
}

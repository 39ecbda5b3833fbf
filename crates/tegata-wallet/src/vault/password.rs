//! Passwords, and the two forms in which a vault takes them (M4).
//!
//! What is typed is brought into Unicode's form NFKC, so that the same password typed with another
//! input method (full-width Latin letters, half-width katakana, combined marks) is the same.

use std::fmt;

use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Fewest characters of a new password.
pub const SHORTEST_PASSWORD: usize = 8;
/// Most bytes of a new password.
pub const LONGEST_PASSWORD: usize = 1024;

/// A password as somebody typed it, normalised.
///
/// It can't be shown, copied or compared by callers:
/// ```compile_fail,E0277
/// fn copy<T: Clone>() {}
/// copy::<tegata_wallet::vault::Password>();
/// ```
/// ```compile_fail,E0277
/// let password = tegata_wallet::vault::Password::typed("correct horse");
/// println!("{password}");
/// ```
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes what was typed. Only new passwords have to keep the rules; see [`Passwords`].
    pub fn typed(text: &str) -> Self {
        // The room is measured first: a string that grows leaves its old bytes behind.
        let room = text.nfkc().map(char::len_utf8).sum();
        let mut normal = Zeroizing::new(String::with_capacity(room));
        normal.extend(text.nfkc());
        Self(normal)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn check_new(&self) -> Result<(), PasswordRule> {
        let characters = self.0.chars().count();
        if characters < SHORTEST_PASSWORD {
            return Err(PasswordRule::TooShort { characters });
        }
        if self.0.len() > LONGEST_PASSWORD {
            return Err(PasswordRule::TooLong);
        }
        Ok(())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whether a vault has one password or two. It stands in the vault's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordForm {
    /// One password opens both layers; spending still asks for it again.
    One,
    /// Password A opens what is for every day, B what spends.
    Two,
}

/// The passwords of a new or changed vault, which keep the rules.
#[derive(Debug)]
pub struct Passwords {
    form: PasswordForm,
    a: Password,
    b: Option<Password>,
}

impl Passwords {
    /// Passwords A and B.
    ///
    /// # Errors
    /// [`PasswordRule`] when one is too short or too long, or both are the same.
    pub fn two(a: Password, b: Password) -> Result<Self, PasswordRule> {
        a.check_new()?;
        b.check_new()?;
        if a.same_as(&b) {
            return Err(PasswordRule::Same);
        }
        Ok(Self {
            form: PasswordForm::Two,
            a,
            b: Some(b),
        })
    }

    /// One password for both layers.
    ///
    /// # Errors
    /// [`PasswordRule`] when it is too short or too long.
    pub fn one(password: Password) -> Result<Self, PasswordRule> {
        password.check_new()?;
        Ok(Self {
            form: PasswordForm::One,
            a: password,
            b: None,
        })
    }

    /// The form.
    pub fn form(&self) -> PasswordForm {
        self.form
    }

    pub(super) fn a(&self) -> &Password {
        &self.a
    }

    pub(crate) fn b(&self) -> &Password {
        self.b.as_ref().unwrap_or(&self.a)
    }
}

/// The rule that a new password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Fewer than [`SHORTEST_PASSWORD`] characters.
    #[error(
        "the new password has {characters} characters, it needs {SHORTEST_PASSWORD} or more; \
         several words are easiest to keep"
    )]
    TooShort {
        /// Characters that it has.
        characters: usize,
    },
    /// More than [`LONGEST_PASSWORD`] bytes.
    #[error("the new password is longer than {LONGEST_PASSWORD} bytes; choose a shorter one")]
    TooLong,
    /// A and B are the same.
    #[error(
        "passwords A and B are the same; choose another B, or take the one-password form knowingly"
    )]
    Same,
}

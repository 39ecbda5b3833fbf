//! What a person is asked for: passwords, keywords, consent, the 24 words.

use std::{
    io::{BufRead, IsTerminal as _, Write as _},
    path::Path,
};

use tegata_cli::password::{self, PasswordA, PasswordB};
use tegata_party::letter;
use tegata_protocol::{joining::Slip, purchase::Keyword};
use zeroize::Zeroizing;

use super::{args::KeywordArgs, failure::failure};
use crate::{
    error::WalletError,
    vault::{Password, PasswordForm, Passwords},
    wallet::{Access, Wallet},
};
use tegata_cli::exit::Failure;

/// Passwords as they were given, to be turned into the vault's as often as needed.
pub(super) struct Given(Option<password::Password>);

impl Given {
    pub(super) fn a(source: &PasswordA) -> Result<Self, Failure> {
        Ok(Self(Some(source.read()?)))
    }

    pub(super) fn password(&self) -> Password {
        let bytes = self.0.as_ref().map_or(&[][..], |p| p.expose());
        typed(bytes)
    }

    /// Password B; of a wallet with one password that one, asked for again unless it was given
    /// without a prompt.
    pub(super) fn b(
        &self,
        form: PasswordForm,
        a: &PasswordA,
        b: &PasswordB,
    ) -> Result<Password, Failure> {
        let same = form == PasswordForm::One && a.is_given() && !b.is_given();
        if same {
            return Ok(self.password());
        }
        Ok(typed(b.read()?.expose()))
    }
}

fn typed(bytes: &[u8]) -> Password {
    Password::typed(&Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))
}

/// A password of the vault from one that was read.
pub(super) fn vault_password(read: &password::Password) -> Password {
    typed(read.expose())
}

/// The passwords of a new wallet, and what unlocks spending.
pub(super) fn new_passwords(
    a: &PasswordA,
    b: &PasswordB,
    one: bool,
) -> Result<(Passwords, Password, Password), Failure> {
    let first = a.read_new()?;
    if one {
        let passwords = Passwords::one(vault_password(&first)).map_err(WalletError::from_rule)?;
        return Ok((passwords, vault_password(&first), vault_password(&first)));
    }
    let second = b.read_new()?;
    let (a, b) = (vault_password(&first), vault_password(&second));
    let passwords = Passwords::two(vault_password(&first), vault_password(&second));
    Ok((passwords.map_err(WalletError::from_rule)?, a, b))
}

impl WalletError {
    fn from_rule(rule: crate::vault::PasswordRule) -> Failure {
        failure(Self::Vault(rule.into()))
    }
}

/// The keyword, if one is to be given.
pub(super) fn keyword(args: &KeywordArgs) -> Result<Option<Keyword>, Failure> {
    let text = if let Some(file) = &args.keyword_file {
        let text = Zeroizing::new(read_text(file)?);
        let line = text.lines().next().unwrap_or_default();
        Zeroizing::new(line.to_owned())
    } else if args.keyword_prompt {
        Zeroizing::new(rpassword::prompt_password("Keyword: ")?)
    } else {
        return Ok(None);
    };
    let keyword = Keyword::new(&text).map_err(WalletError::Input);
    Ok(Some(keyword.map_err(failure)?))
}

/// The 24 words.
pub(super) fn words(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(file) => Ok(Zeroizing::new(read_text(file)?)),
        None => Ok(Zeroizing::new(rpassword::prompt_password("24 words: ")?)),
    }
}

/// A file of the person's.
pub(super) fn read_text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|source| unread(file, source))
}

/// A file's bytes.
pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|source| unread(file, source))
}

/// The letter in a file: text, HTML, or a picture of it.
pub(super) fn letter(file: &Path) -> Result<Slip, Failure> {
    let text = letter::text_of(&read_bytes(file)?).map_err(|e| {
        Failure::usage(e).next("give the letter's line by --slip, or in a text file")
    })?;
    Slip::in_letter(&text).map_err(|e| failure(WalletError::Input(e)))
}

fn unread(file: &Path, source: std::io::Error) -> Failure {
    failure(WalletError::File {
        doing: "read",
        file: file.display().to_string(),
        source,
    })
}

/// Does the person agree to pay?
pub(super) fn consent(question: &str) -> Result<(), Failure> {
    let no = "nobody agreed; nothing was signed";
    match agreed(question)? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::refused(no)),
        None => Err(Failure::usage(no).next("look at the bill and run this again with --yes")),
    }
}

/// Asks about something that can't be taken back.
pub(super) fn sure(question: &str) -> Result<(), Failure> {
    let no = "nobody agreed; nothing was changed";
    match agreed(question)? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::refused(no)),
        None => Err(Failure::usage(no).next("run this again with --yes")),
    }
}

/// A question; only a plain yes is one. `None` if nobody is there to be asked.
pub(super) fn agreed(question: &str) -> Result<Option<bool>, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    eprint!("{question} [yes/no] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let yes = ["yes", "y", "はい"].contains(&line.trim().to_lowercase().as_str());
    Ok(Some(yes))
}

/// Opens the wallet with password A.
pub(super) fn open(
    folder: &Path,
    access: Access,
    a: &PasswordA,
) -> Result<(Wallet, Given), Failure> {
    // Nobody should type a password for a wallet that isn't there.
    crate::wallet::password_form(folder).map_err(failure)?;
    let given = Given::a(a)?;
    let wallet = Wallet::open(folder, access, &given.password()).map_err(failure)?;
    Ok((wallet, given))
}

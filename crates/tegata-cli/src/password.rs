//! Passwords: from a prompt, a file or a descriptor, never from the command line, where every
//! process of the machine could read them.
//!
//! A program flattens [`PasswordA`] and [`PasswordB`] (a wallet: A opens it, B spends) or
//! [`PasswordOnly`] (a server's key file) into its arguments and calls `read` or, when the
//! password is being chosen, `read_new`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize as _, Zeroizing};

/// The fewest characters of a password that is being chosen.
pub const LEAST: usize = 8;
/// The most bytes of a password; more is taken for a wrong file.
pub const MOST: usize = 1024;

/// A password. Erased from memory when dropped; can't be printed, cloned or serialised.
///
/// ```compile_fail
/// let password = tegata_cli::password::Password::new("open sesame".to_owned());
/// println!("{password}");
/// ```
///
/// ```compile_fail
/// let password = tegata_cli::password::Password::new("open sesame".to_owned());
/// let copy = password.clone();
/// ```
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password that arrived some other way, by a form on a local page for example.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password itself, for the key derivation.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether two passwords are the same (both are ours: not in constant time).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    /// Whether it's good enough to be chosen.
    ///
    /// # Errors
    /// [`Error::TooShort`] under [`LEAST`] characters.
    pub fn good_enough(&self) -> Result<(), Error> {
        if self.0.chars().count() < LEAST {
            Err(Error::TooShort)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why there's no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody can be asked.
    #[error("there is no terminal on which to ask for the password")]
    NoTerminal {
        /// The flag that gives it otherwise.
        flag: String,
        /// Why not.
        source: io::Error,
    },
    /// It couldn't be read.
    #[error("can't read the password from {from}")]
    Unreadable {
        /// File or descriptor.
        from: String,
        /// Why not.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("others can read the password file {} (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There was nothing.
    #[error("the password from {from} is empty")]
    Empty {
        /// File, descriptor or prompt.
        from: String,
    },
    /// There was far too much.
    #[error("what {from} holds is no password: more than {MOST} bytes on one line, or no text")]
    NotAPassword {
        /// File or descriptor.
        from: String,
    },
    /// The two entries of a new password differ.
    #[error("the two entries of the new password differ")]
    Differ,
    /// A new password is too short.
    #[error("a new password needs at least {LEAST} characters")]
    TooShort,
}

impl Error {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::NoTerminal { flag, .. } => Some(format!(
                "give it with {flag} FILE (a file that only you can read)"
            )),
            Self::Exposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::Differ | Self::TooShort => Some("try again".into()),
            Self::Unreadable { .. } | Self::Empty { .. } | Self::NotAPassword { .. } => None,
        }
    }
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What the prompt calls it, e.g. "Password A".
    name: &'static str,
    flag: &'static str,
    file: Option<&'a Path>,
    fd: Option<u32>,
}

impl Source<'_> {
    fn read(self) -> Result<Password, Error> {
        match (self.file, self.fd) {
            (Some(path), _) => from_file(path),
            (None, Some(fd)) => from_descriptor(fd),
            (None, None) => self.ask("", ""),
        }
    }

    fn read_new(self) -> Result<Password, Error> {
        let password = match (self.file, self.fd) {
            (None, None) => {
                let first = self.ask("New ", "")?;
                let again = self.ask("New ", ", again")?;
                if !first.same_as(&again) {
                    return Err(Error::Differ);
                }
                first
            }
            (Some(_), _) | (None, Some(_)) => self.read()?,
        };
        password.good_enough()?;
        Ok(password)
    }

    fn ask(self, before: &str, after: &str) -> Result<Password, Error> {
        let prompt = prompt(before, self.name, after);
        let flag = self.flag;
        let text = rpassword::prompt_password(prompt).map_err(|source| Error::NoTerminal {
            flag: flag.to_owned(),
            source,
        })?;
        finish(text, "the prompt")
    }
}

/// `Password A: `, `New password A, again: `.
fn prompt(before: &str, name: &str, after: &str) -> String {
    if before.is_empty() {
        return format!("{name}{after}: ");
    }
    format!("{before}{}{after}: ", name.replacen('P', "p", 1))
}

fn from_file(path: &Path) -> Result<Password, Error> {
    let from = path.display().to_string();
    let unreadable = |source| Error::Unreadable {
        from: from.clone(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    let mode = meta.permissions().mode() & 0o777;
    if meta.is_file() && mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    first_line(file, &from)
}

/// Opened through `/dev/fd`, so that no descriptor needs to be taken over. One byte at a time:
/// what stands after the first line is somebody else's.
fn from_descriptor(fd: u32) -> Result<Password, Error> {
    let from = format!("descriptor {fd}");
    let file = File::open(format!("/dev/fd/{fd}")).map_err(|source| Error::Unreadable {
        from: from.clone(),
        source,
    })?;
    first_line(file, &from)
}

fn first_line(mut reader: impl Read, from: &str) -> Result<Password, Error> {
    // Never grows, so that no copy is left behind by a reallocation.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST));
    let mut byte = Zeroizing::new([0_u8; 1]);
    loop {
        let count = reader
            .read(&mut *byte)
            .map_err(|source| Error::Unreadable {
                from: from.to_owned(),
                source,
            })?;
        if count == 0 || byte[0] == b'\n' {
            break;
        }
        if line.len() == MOST {
            return Err(Error::NotAPassword {
                from: from.to_owned(),
            });
        }
        line.push(byte[0]);
    }
    match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(text) => finish(text, from),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(Error::NotAPassword {
                from: from.to_owned(),
            })
        }
    }
}

fn finish(mut text: String, from: &str) -> Result<Password, Error> {
    while text.ends_with(['\r', '\n']) {
        text.pop();
    }
    if text.is_empty() {
        return Err(Error::Empty {
            from: from.to_owned(),
        });
    }
    Ok(Password::new(text))
}

/// Three sets of arguments that differ only in their names.
macro_rules! password_arguments {
    ($(#[$doc:meta])* $type:ident, $name:literal, $flag:literal, $env:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, clap::Args)]
        pub struct $type {
            #[arg(
                id = concat!($flag, "-file"),
                long = concat!($flag, "-file"),
                value_name = "PATH",
                env = concat!($env, "_FILE"),
                help = concat!($name, " from the first line of this file, which only you may read"),
            )]
            file: Option<PathBuf>,
            #[arg(
                id = concat!($flag, "-fd"),
                long = concat!($flag, "-fd"),
                value_name = "N",
                conflicts_with = concat!($flag, "-file"),
                help = concat!($name, " from this open descriptor; without either it is asked for"),
            )]
            fd: Option<u32>,
        }

        impl $type {
            /// The password from a file, as if it had been given on the command line.
            #[must_use]
            pub fn from_path(path: impl Into<PathBuf>) -> Self {
                Self { file: Some(path.into()), fd: None }
            }

            /// Whether nobody needs to be asked.
            #[must_use]
            pub const fn is_given(&self) -> bool {
                self.file.is_some() || self.fd.is_some()
            }

            /// Reads the password, asking for it if it isn't given.
            ///
            /// # Errors
            /// [`Error`], e.g. when there's nobody to ask.
            pub fn read(&self) -> Result<Password, Error> {
                self.source().read()
            }

            /// Reads a password that is being chosen: asked for twice, and not too short.
            ///
            /// # Errors
            /// [`Error`], e.g. [`Error::TooShort`].
            pub fn read_new(&self) -> Result<Password, Error> {
                self.source().read_new()
            }

            fn source(&self) -> Source<'_> {
                let (name, flag) = ($name, concat!("--", $flag, "-file"));
                Source { name, flag, file: self.file.as_deref(), fd: self.fd }
            }
        }
    };
}

password_arguments! {
    /// `--password-a-file PATH`, `--password-a-fd N`: the password that opens a wallet.
    PasswordA, "Password A", "password-a", "TEGATA_PASSWORD_A"
}
password_arguments! {
    /// `--password-b-file PATH`, `--password-b-fd N`: the password that spends.
    PasswordB, "Password B", "password-b", "TEGATA_PASSWORD_B"
}
password_arguments! {
    /// `--password-file PATH`, `--password-fd N`: the one password of a server's key file.
    PasswordOnly, "Password", "password", "TEGATA_PASSWORD"
}
password_arguments! {
    /// `--new-password-file PATH`, `--new-password-fd N`: the password to change to.
    PasswordNew, "Password to change to", "new-password", "TEGATA_NEW_PASSWORD"
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::fs::{Permissions, set_permissions, write};

    #[derive(Debug, Parser)]
    struct Both {
        #[command(flatten)]
        a: PasswordA,
        #[command(flatten)]
        b: PasswordB,
    }

    fn file(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("password");
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (temp, path)
    }

    #[test]
    fn two_passwords_stand_side_by_side_on_one_command_line() {
        let both =
            Both::try_parse_from(["x", "--password-a-file", "/a", "--password-b-fd", "7"]).unwrap();
        assert_eq!(both.a.file.as_deref(), Some(Path::new("/a")));
        assert_eq!(both.b.fd, Some(7));
        Both::try_parse_from(["x", "--password-a-file", "/a", "--password-a-fd", "7"]).unwrap_err();
        Both::try_parse_from(["x", "--password-a", "sesame"]).unwrap_err();
    }

    #[test]
    fn the_first_line_of_a_private_file_is_the_password() {
        let (_temp, path) = file("öffne dich\r\nnot this".as_bytes(), 0o600);
        let password = PasswordA::from_path(&path).read_new().unwrap();
        assert_eq!(password.expose(), "öffne dich".as_bytes());
        assert_eq!(format!("{password:?}"), "Password(…)");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let (_temp, path) = file(b"sesame", 0o640);
        let error = PasswordB::from_path(&path).read().unwrap_err();
        assert!(
            matches!(error, Error::Exposed { mode: 0o640, .. }),
            "{error}"
        );
        assert_eq!(error.next(), Some(format!("chmod 600 {}", path.display())));
        assert!(!format!("{error} {error:?}").contains("sesame"));
    }

    #[test]
    fn empty_endless_and_binary_files_are_no_passwords() {
        let (_temp, path) = file(b"\nsecond line", 0o600);
        assert!(matches!(
            PasswordOnly::from_path(path).read(),
            Err(Error::Empty { .. })
        ));
        let (_temp, path) = file(&[b'x'; MOST + 1], 0o600);
        assert!(matches!(
            PasswordOnly::from_path(path).read(),
            Err(Error::NotAPassword { .. })
        ));
        let (_temp, path) = file(&[0xff, 0xfe], 0o600);
        assert!(matches!(
            PasswordOnly::from_path(path).read(),
            Err(Error::NotAPassword { .. })
        ));
    }

    #[test]
    fn a_short_password_opens_but_cant_be_chosen() {
        let (_temp, path) = file(b"short", 0o600);
        let arguments = PasswordOnly::from_path(path);
        assert_eq!(arguments.read().unwrap().expose(), b"short");
        assert!(matches!(arguments.read_new(), Err(Error::TooShort)));
    }

    #[test]
    fn a_descriptor_is_read() {
        use std::os::fd::AsRawFd as _;
        let (reader, mut writer) = std::io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"open sesame\nrest").unwrap();
        let fd = u32::try_from(reader.as_raw_fd()).unwrap();
        let arguments = PasswordA {
            file: None,
            fd: Some(fd),
        };
        assert_eq!(arguments.read().unwrap().expose(), b"open sesame");
    }
}

//! `verify-program`: is a file the program that the centre published (M1)?
//!
//! The centre signs each program's digest with its lists key, which the root in the letter certifies. So a
//! member's own program finds out whether a downloaded file is that one: before an update, or for
//! somebody else, who has only a letter.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_party::client::{CallError, Client};
use tegata_protocol::record::ProgramDigest;
use tegata_protocol::{Digest, SignedBytes, Time, Unverified, Verified, VerifyingKey};

use super::args::program::ProgramArgs;
use super::ask::{self, open};
use super::failure::failure;
use super::output::Output;
use crate::error::WalletError;
use crate::wallet::Access;

pub(super) fn verify(
    folder: &Path,
    args: &ProgramArgs,
    out: &Output,
    now: Time,
) -> Result<(), Failure> {
    let name = match (&args.name, args.file.file_name()) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name.to_string_lossy().into_owned(),
        (None, None) => return Err(Failure::usage("the file has no name: give --name")),
    };
    let (digest, length) = digest_of(&args.file)?;
    let (centre, root) = centre_of(folder, args)?;
    let program = published(&centre, &root, &name, now)?;
    let (file, edition) = (args.file.display(), &program.edition);
    if digest != program.digest || length != program.length {
        return Err(Failure::refused(format!(
            "{file} isn't {name} {edition} as the centre published it: it has {length} bytes with \
             SHA-256 {digest}, that one {} with {}",
            program.length, program.digest
        ))
        .next("don't run it: delete it and download it again"));
    }
    let object = json!({
        "name": program.name,
        "edition": program.edition,
        "digest": digest.to_string(),
        "published": program.published.to_string(),
    });
    let text = format!(
        "{file} is {name} {edition}, as the centre published it on {}.",
        program.published
    );
    out.value(&object, &text)
}

/// Address and root: the letter's, or the wallet's own.
fn centre_of(folder: &Path, args: &ProgramArgs) -> Result<(String, VerifyingKey), Failure> {
    match &args.letter {
        Some(letter) => {
            let slip = ask::letter(letter)?;
            Ok((slip.centre, slip.root))
        }
        None => {
            let (wallet, _) = open(folder, Access::Reading, &args.a)?;
            Ok(wallet.home())
        }
    }
}

/// What the centre signed of that program.
fn published(
    centre: &str,
    root: &VerifyingKey,
    name: &str,
    now: Time,
) -> Result<Verified<ProgramDigest>, Failure> {
    let client = Client::default();
    let called = |error: CallError| failure(WalletError::from(error));
    let keys = client.centre_keys(centre, root, now).map_err(called)?;
    let none = || {
        Failure::refused(format!("the centre at {centre} offers no program {name}"))
            .next("see its page /programs; --name gives the name under which it stands there")
    };
    let lists = keys.lists.ok_or_else(none)?;
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        return Err(none());
    }
    let signed = match client.get(centre, &format!("/programs/{name}.sign1.cbor")) {
        Err(CallError::Fault { status: 404, .. }) => return Err(none()),
        other => other.map_err(called)?,
    };
    let forged = || {
        Failure::refused("what the centre sent isn't signed by its lists key")
            .next("don't run the file; tell the centre")
    };
    let program = Unverified::<ProgramDigest>::parse(SignedBytes::new(signed));
    let program = program.map_err(|_e| forged())?;
    let program = program.verify(&lists).map_err(|_e| forged())?;
    match program.name == name {
        true => Ok(program),
        false => Err(forged()),
    }
}

fn digest_of(file: &Path) -> Result<(Digest, u64), Failure> {
    let doing = || format!("reading {}", file.display());
    let mut source = File::open(file).or_exit(Exit::Usage).or_doing(doing())?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let read = source.read(&mut buffer).or_doing(doing())?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((Digest::from_bytes(hash.finalize().into()), length));
        };
        hash.update(bytes);
        length = length.saturating_add(u64::try_from(read).unwrap_or_default());
    }
}

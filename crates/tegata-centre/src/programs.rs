//! The programs that the centre hands out (M1): the wallet, and those of shops and gates.
//!
//! `tegata-centre programs publish FILE` copies a file into `DIR/programs/` and signs its digest
//! with the lists key. The page shows both; whoever has a letter, and so the root key, checks the
//! download with `tegata-centre programs verify` or any COSE library and SHA-256.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use sha2::{Digest as _, Sha256};
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_protocol::{
    Digest, Document as _, SignedBytes, Time, Unverified, Verified, VerifyingKey, cbor,
    record::{CentreKeys, Certificates, ProgramDigest},
};

use crate::{
    keys::{OperationalKeys, PublicKeys},
    settings::PARTY,
};

const FOLDER: &str = "programs";
const SIGNATURE: &str = "sign1.cbor";

/// `tegata-centre programs`.
#[derive(Subcommand, Debug)]
pub enum ProgramsCommand {
    /// Copy a program into the data folder and sign its digest; the page offers it at once
    Publish {
        /// The program
        file: PathBuf,
        /// Its version, as people will see it
        #[arg(long)]
        edition: String,
        /// The centre's data folder
        #[arg(long, env = "TEGATA_DATA")]
        data: PathBuf,
    },
    /// Check a downloaded program: needs the page's signature and certificates, and the letter's root
    Verify {
        /// The downloaded program
        file: PathBuf,
        /// Its signed digest, from the page
        #[arg(long)]
        signature: PathBuf,
        /// The centre's certificates, from the page's /v1/certificates
        #[arg(long)]
        certificates: PathBuf,
        /// The root key in the letter, in hexadecimal
        #[arg(long)]
        root: String,
    },
}

/// Runs it.
///
/// # Errors
/// [`Failure`].
pub fn main(command: ProgramsCommand, now: Time) -> Result<(), Failure> {
    match command {
        ProgramsCommand::Publish {
            file,
            edition,
            data,
        } => publish(&file, edition, &data, now),
        ProgramsCommand::Verify {
            file,
            signature,
            certificates,
            root,
        } => {
            let read = |path: &Path| fs::read(path).or_exit(Exit::Usage);
            let certificates: Certificates =
                cbor::decode(&read(&certificates)?, 16 * 1024).or_exit(Exit::Usage)?;
            let root = Digest::from_hex(&root.replace(' ', ""));
            let root = root.ok_or_else(|| Failure::usage("--root: expected 64 hex digits"))?;
            let root = VerifyingKey::from_bytes(root.as_bytes()).or_exit(Exit::Usage)?;
            let keys = CentreKeys::verify(&root, &certificates, now)?;
            let lists = keys
                .lists
                .ok_or_else(|| Failure::refused("no certificate for lists"))?;
            verify(&file, SignedBytes::new(read(&signature)?), &lists)
        }
    }
}

fn publish(file: &Path, edition: String, data: &Path, now: Time) -> Result<(), Failure> {
    let dir = DataDir::open_existing(data, PARTY)?;
    let name = file
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default()
        .to_owned();
    let (digest, length) = digest_of(file)?;
    let program = ProgramDigest {
        name: name.clone(),
        edition,
        length,
        digest,
        published: now,
    };
    program.check().or_exit(Exit::Usage)?;
    let folder = dir.file(FOLDER)?;
    tegata_cli::data::make_dir(&folder)?;
    let copy = folder.join(&name);
    fs::copy(file, &copy).or_exit(Exit::Refused)?;
    if digest_of(&copy)?.0 != digest {
        return Err(
            Failure::refused(format!("{name} changed while it was copied"))
                .next("publish it again"),
        );
    }
    let signed = OperationalKeys::open(&dir)?.lists.sign(&program);
    fs::write(
        folder.join(format!("{name}.{SIGNATURE}")),
        signed.as_bytes(),
    )
    .or_exit(Exit::Refused)?;
    println!("{digest}  {name}");
    Ok(())
}

fn verify(file: &Path, signed: SignedBytes, lists: &VerifyingKey) -> Result<(), Failure> {
    let program = Unverified::<ProgramDigest>::parse(signed).or_exit(Exit::Usage)?;
    let program = program.verify(lists)?;
    let (digest, _) = digest_of(file)?;
    if digest != program.digest {
        return Err(Failure::refused(format!(
            "{} isn't {} {} as the centre published it",
            file.display(),
            program.name,
            program.edition
        ))
        .next("delete it and download it again"));
    }
    println!(
        "{} {} is as the centre published it",
        program.name, program.edition
    );
    Ok(())
}

fn digest_of(file: &Path) -> Result<(Digest, u64), Failure> {
    let unreadable = |e| Failure::usage(format!("{} can't be read: {e}", file.display()));
    let mut source = fs::File::open(file).map_err(unreadable)?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let read = source.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok((Digest::from_bytes(hash.finalize().into()), length));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        length = length.saturating_add(u64::try_from(read).unwrap_or_default());
    }
}

/// What can be downloaded: each program with its signed digest, if that holds.
pub fn offered(data: &Path, keys: &PublicKeys) -> Vec<Verified<ProgramDigest>> {
    let (Ok(files), Some(lists)) = (fs::read_dir(data.join(FOLDER)), &keys.keys.lists) else {
        return Vec::new();
    };
    let signatures = files.flatten().map(|file| file.path());
    let signatures = signatures.filter(|path| path.to_string_lossy().ends_with(SIGNATURE));
    let read = |path: PathBuf| {
        let signed = SignedBytes::new(fs::read(path).ok()?);
        Unverified::<ProgramDigest>::parse(signed)
            .ok()?
            .verify(lists)
            .ok()
    };
    let mut programs: Vec<_> = signatures.filter_map(read).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs
}

/// The file of an offered program.
pub fn file_of(data: &Path, program: &ProgramDigest) -> PathBuf {
    data.join(FOLDER).join(&program.name)
}

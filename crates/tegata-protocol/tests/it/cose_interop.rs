//! A COSE library in another language verifies what we sign, and refuses what was changed.
//!
//! Needs a Python with the packages of `xtask/requirements.txt`; `cargo xtask test` makes one and
//! names it in `TEGATA_PYTHON`.

use std::{fs, path::Path, process::Command};

use tegata_protocol::VerifyingKey;

use crate::{
    cbor_tree::{Node, from_hex, to_hex},
    pages,
    samples::{self, Sample},
    town,
};

/// What the script said, and its exit code.
fn verify(arguments: &[&Path]) -> (i32, String) {
    let python = std::env::var("TEGATA_PYTHON");
    let python = python.expect("TEGATA_PYTHON isn't set; run `cargo xtask test`");
    let mut command = Command::new(python);
    command
        .arg(pages::spec("tools/verify_cose.py"))
        .args(arguments);
    let output = command.output().expect("Python starts");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn key_file(folder: &Path, name: &str, key: &VerifyingKey) -> std::path::PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{name}.cose_key.cbor"));
    fs::write(&path, key.to_cose_key()).unwrap();
    path
}

/// The folder that `--keep` makes. Holders' keys aren't in it.
fn write_artifacts(folder: &Path) -> Vec<(Sample, std::path::PathBuf)> {
    let mut written = Vec::new();
    fs::create_dir_all(folder).unwrap();
    for (number, sample) in samples::all().into_iter().enumerate() {
        let key = sample.key().verifying_key();
        if sample.seed != samples::HOLDER {
            key_file(&folder.join("keys"), &format!("seed-{}", sample.seed), &key);
        }
        let path = folder.join(format!("{number:03}-a-b-{}.sign1.cbor", sample.kind));
        fs::write(&path, sample.signed.as_bytes()).unwrap();
        written.push((sample, path));
    }
    written
}

#[test]
#[ignore = "needs TEGATA_PYTHON: run cargo xtask test"]
fn a_strangers_library_verifies_every_type() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_artifacts(&folder.path().join("artifacts"));
    let (code, said) = verify(&[folder.path()]);
    println!("{said}");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("{0} of {0} verified", written.len())));
}

#[test]
#[ignore = "needs TEGATA_PYTHON: run cargo xtask test"]
fn a_strangers_library_refuses_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("artifacts");
    let written = write_artifacts(&folder);
    let (sample, path) = &written[0];
    let mut changed = sample.signed.as_bytes().to_vec();
    let place = changed.len() - 70;
    changed[place] ^= 1;
    fs::write(path, changed).unwrap();
    let (code, said) = verify(&[&folder]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains(&format!(
            "{} of {} verified",
            written.len() - 1,
            written.len()
        )),
        "{said}"
    );
    let other = key_file(&folder, "other", &town::signing(99).verifying_key());
    let (code, said) = verify(&[&written[1].1, &other]);
    assert_eq!(code, 1, "{said}");
}

#[test]
#[ignore = "needs TEGATA_PYTHON: run cargo xtask test"]
fn one_file_is_verified_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let sample = samples::sample("presentation");
    let path = folder.path().join("shown.sign1.cbor");
    fs::write(&path, sample.signed.as_bytes()).unwrap();
    let key = key_file(folder.path(), "holder", &sample.key().verifying_key());
    let (code, said) = verify(&[&path, &key]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(verify(&[folder.path()]).0, 2);
}

/// RFC 9052 §7, RFC 9053 §7.2.
#[test]
fn a_cose_key_is_an_okp_key() {
    let key = town::signing(1).verifying_key();
    let id = key.id();
    let wanted = format!(
        "a5010102{}{}0327200621{}{}",
        "48",
        to_hex(id.as_bytes()),
        "5820",
        to_hex(key.as_bytes())
    );
    assert_eq!(to_hex(&key.to_cose_key()), wanted);
    assert!(matches!(Node::read(&from_hex(&wanted)), Ok(Node::Map(pairs)) if pairs.len() == 5));
}

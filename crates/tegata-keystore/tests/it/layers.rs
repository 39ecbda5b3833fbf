//! Two passwords mean it, one works too, and every refusal says why (M4).

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tegata_keystore::vault::{
    Cost, Damage, Disk, FileName, FolderDisk, Layer, LockedVault, OpenVault, PasswordForm,
    PasswordRule, Passwords, Strokes, VaultError,
};

use crate::{A, B, make, open, pw, test_rng, two};

struct Folder {
    _folder: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FolderDisk::lock(folder.path()).unwrap());
    Folder {
        _folder: folder,
        disk,
    }
}

fn spending_seed(vault: &OpenVault, b: &str) -> Result<[u8; 32], VaultError> {
    vault.with_spending(&pw(b), |secrets| *secrets.seed())
}

fn assert_wrong<T: std::fmt::Debug>(result: Result<T, VaultError>, expected: Layer) {
    match result {
        Err(VaultError::WrongPassword { layer }) => assert_eq!(layer, expected),
        other => panic!("expected a wrong password {expected}, got {other:?}"),
    }
}

#[test]
fn a_opens_and_b_spends() {
    let Folder { disk, .. } = &folder();
    let made = make(disk, &two(), b"state", &mut test_rng(1)).unwrap();
    let seed = spending_seed(&made, B).unwrap();
    let vault = open(disk, A).unwrap();
    assert_eq!(vault.state(), b"state");
    assert_eq!(vault.everyday_seed(), made.everyday_seed());
    assert_eq!(spending_seed(&vault, B).unwrap(), seed);
    let holder_b = vault.with_spending(&pw(B), |s| s.with_holder_seed(|h| *h));
    let all = [
        seed,
        holder_b.unwrap(),
        *vault.everyday_seed(),
        *vault.opening_seed(),
        *vault.holder_seed(),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}

#[test]
fn a_wrong_password_says_which_layer() {
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"", &mut test_rng(1)).unwrap();
    assert_wrong(open(disk, B), Layer::A);
    let vault = open(disk, A).unwrap();
    assert_wrong(spending_seed(&vault, A), Layer::B);
    let error = vault.words(&pw("neither of them")).unwrap_err();
    assert!(error.to_string().contains("wrong password B"), "{error}");
}

#[test]
fn one_password_opens_both_and_spending_asks_for_it() {
    let Folder { disk, .. } = &folder();
    let one = Passwords::one(pw("the only password")).unwrap();
    make(disk, &one, b"", &mut test_rng(1)).unwrap();
    let locked = LockedVault::find(Arc::clone(disk)).unwrap();
    assert_eq!(locked.form().unwrap(), PasswordForm::One);
    let vault = open(disk, "the only password").unwrap();
    spending_seed(&vault, "the only password").unwrap();
    assert_wrong(spending_seed(&vault, B), Layer::B);
}

#[test]
fn passwords_keep_the_rules() {
    let short = PasswordRule::TooShort { characters: 7 };
    assert_eq!(Passwords::one(pw("1234567")).unwrap_err(), short);
    Passwords::one(pw("パスワード八文字")).unwrap();
    let same = Passwords::two(pw("password"), pw("ｐａｓｓｗｏｒｄ"));
    assert_eq!(same.unwrap_err(), PasswordRule::Same);
    let long = Passwords::one(pw(&"long".repeat(300)));
    assert_eq!(long.unwrap_err(), PasswordRule::TooLong);
}

#[test]
fn input_methods_agree() {
    let Folder { disk, .. } = &folder();
    let passwords = Passwords::two(pw("がっこうへいくみち2"), pw(B)).unwrap();
    make(disk, &passwords, b"", &mut test_rng(1)).unwrap();
    // Combining marks, and a full-width digit.
    open(disk, "か\u{3099}っこうへいくみち２").unwrap();
    assert_wrong(open(disk, "かっこうへいくみち2"), Layer::A);
}

#[test]
fn nothing_shows_a_secret() {
    let Folder { disk, .. } = &folder();
    let vault = make(disk, &two(), b"state", &mut test_rng(1)).unwrap();
    let shown = vault.with_spending(&pw(B), |s| format!("{s:?}")).unwrap();
    assert_eq!(shown, "SpendingSecrets(…)");
    let words = vault.words(&pw(B)).unwrap();
    assert_eq!(format!("{words:?}"), "Words(…)");
    assert_eq!(format!("{:?}", pw(B)), "Password(…)");
    assert_eq!(format!("{vault:?}"), "OpenVault(…)");
}

#[test]
fn deferred_registration_lies_under_a_alone() {
    let Folder { disk, .. } = &folder();
    let mut vault = make(disk, &two(), b"", &mut test_rng(1)).unwrap();
    let package = b"signed registration, to be sent when there is a network";
    vault.set_state(package, &mut test_rng(2)).unwrap();
    let bytes = disk.read(FileName::Vault).unwrap().unwrap();
    let plain = bytes
        .windows(16)
        .any(|w| package.windows(16).any(|p| p == w));
    assert!(!plain, "the package stands in clear on the disk");
    assert_eq!(open(disk, A).unwrap().state(), package);
}

#[test]
fn passwords_change_and_the_keys_stay() {
    let Folder { disk, .. } = &folder();
    let mut rng = test_rng(1);
    let mut vault = make(disk, &two(), b"state", &mut rng).unwrap();
    let seed = spending_seed(&vault, B).unwrap();
    vault.change_a(&pw("new password A"), &mut rng).unwrap();
    assert_wrong(open(disk, A), Layer::A);
    let mut vault = open(disk, "new password A").unwrap();
    vault
        .change_b(&pw(B), &pw("new password B"), &mut rng)
        .unwrap();
    let mut vault = open(disk, "new password A").unwrap();
    assert_wrong(spending_seed(&vault, B), Layer::B);
    assert_eq!(spending_seed(&vault, "new password B").unwrap(), seed);
    let one = Passwords::one(pw("the only password")).unwrap();
    vault
        .change_passwords(&pw("new password B"), &one, &mut rng)
        .unwrap();
    let mut vault = open(disk, "the only password").unwrap();
    assert_eq!(vault.form(), PasswordForm::One);
    assert_eq!(spending_seed(&vault, "the only password").unwrap(), seed);
    vault
        .change_passwords(&pw("the only password"), &two(), &mut rng)
        .unwrap();
    let vault = open(disk, A).unwrap();
    assert_eq!(spending_seed(&vault, B).unwrap(), seed);
    assert_eq!(vault.state(), b"state");
    vault.history().unwrap();
}

#[test]
fn a_change_that_breaks_a_rule_changes_nothing() {
    let Folder { disk, .. } = &folder();
    let mut rng = test_rng(1);
    let mut vault = make(disk, &two(), b"", &mut rng).unwrap();
    let before = disk.read(FileName::Vault).unwrap();
    let same = |result| {
        assert!(
            matches!(result, Err(VaultError::Password(PasswordRule::Same))),
            "{result:?}"
        );
    };
    same(vault.change_a(&pw(B), &mut rng));
    same(vault.change_b(&pw(B), &pw(A), &mut rng));
    assert_wrong(
        vault.change_b(&pw(A), &pw("new password B"), &mut rng),
        Layer::B,
    );
    assert!(matches!(
        vault.change_a(&pw("short"), &mut rng),
        Err(VaultError::Password(PasswordRule::TooShort { .. }))
    ));
    assert_eq!(disk.read(FileName::Vault).unwrap(), before);
}

#[test]
fn the_one_password_isnt_changed_as_if_it_were_two() {
    let Folder { disk, .. } = &folder();
    let mut rng = test_rng(1);
    let one = Passwords::one(pw("the only password")).unwrap();
    let mut vault = make(disk, &one, b"", &mut rng).unwrap();
    let result = vault.change_a(&pw("new password A"), &mut rng);
    let form = PasswordForm::One;
    assert!(matches!(result, Err(VaultError::Form { form: f }) if f == form));
}

#[test]
fn every_flipped_bit_is_damage_and_no_wrong_password() {
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"state", &mut test_rng(1)).unwrap();
    let good = disk.read(FileName::Vault).unwrap().unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        disk.write(FileName::Vault, &bad).unwrap();
        let result = open(disk, A);
        assert!(
            matches!(result, Err(VaultError::Damaged { .. })),
            "byte {at}: {result:?}"
        );
    }
    for length in 0..good.len() {
        disk.write(FileName::Vault, &good[..length]).unwrap();
        let result = open(disk, A);
        assert!(
            matches!(result, Err(VaultError::Damaged { .. })),
            "cut to {length}: {result:?}"
        );
    }
}

/// Alters the file as an attacker does, who can recompute the digest at its end.
fn forge(disk: &Arc<dyn Disk>, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read(FileName::Vault).unwrap().unwrap();
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest);
    disk.write(FileName::Vault, &bytes).unwrap();
}

#[test]
fn what_an_attacker_alters_opens_nothing() {
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"state", &mut test_rng(1)).unwrap();
    let good = disk.read(FileName::Vault).unwrap().unwrap();
    for at in 14..good.len() - 32 {
        forge(disk, |bytes| bytes[at] ^= 1 << (at % 8));
        let result = open(disk, A);
        assert!(result.is_err(), "byte {at} may be altered");
        disk.write(FileName::Vault, &good).unwrap();
    }
    forge(disk, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let result = open(disk, A);
    let expected = Damage::Layer(Layer::A);
    assert!(
        matches!(&result, Err(VaultError::Damaged { what }) if *what == expected),
        "a right password and altered contents: {result:?}"
    );
}

#[test]
fn a_newer_version_asks_for_a_newer_program() {
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"", &mut test_rng(1)).unwrap();
    forge(disk, |bytes| bytes[13] = 2);
    let error = LockedVault::find(Arc::clone(disk)).unwrap_err();
    assert!(matches!(error, VaultError::NewerVersion { found: 2, .. }));
    assert!(error.to_string().contains("update the program"), "{error}");
}

#[test]
fn absurd_costs_are_refused_before_they_are_paid() {
    for (memory_kib, passes, lanes) in [
        (u32::MAX, 3, 1),
        (512 * 1024, 3, 1),
        (65536, u32::MAX, 1),
        (65536, 0, 1),
        (65536, 3, 5),
        (65536, 3, 0),
        (7, 1, 1),
        (16, 1, 4),
    ] {
        let cost = Cost::new(memory_kib, passes, lanes);
        assert!(matches!(cost, Err(VaultError::Cost { .. })), "{cost:?}");
    }
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"", &mut test_rng(1)).unwrap();
    // [vault, form, [[[8, 1, 1], salt] …: the cost begins after the heads and the id.
    let at = 14 + 1 + 17 + 1 + 1 + 1 + 1;
    forge(disk, |bytes| {
        assert_eq!(bytes[at..at + 3], [8, 1, 1]);
        bytes.splice(at..at + 1, [0x1a, 0xff, 0xff, 0xff, 0xff]);
    });
    let result = LockedVault::find(Arc::clone(disk));
    assert!(matches!(result, Err(VaultError::Cost { .. })), "{result:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it prints how long it took")]
fn the_standard_cost_opens() {
    let Folder { disk, .. } = &folder();
    let mut rng = test_rng(1);
    let new = tegata_keystore::vault::NewVault {
        master: tegata_keystore::vault::Master::generate(&mut rng, None::<&Strokes>),
        passwords: &two(),
        cost: Cost::STANDARD,
        state: b"",
    };
    OpenVault::create(Arc::clone(disk), new, &mut rng).unwrap();
    let begun = std::time::Instant::now();
    let vault = open(disk, A).unwrap();
    println!("opened with 64 MiB, three passes in {:?}", begun.elapsed());
    spending_seed(&vault, B).unwrap();
}

#[test]
fn a_vault_isnt_overwritten() {
    let Folder { disk, .. } = &folder();
    make(disk, &two(), b"first", &mut test_rng(1)).unwrap();
    let again = make(disk, &two(), b"second", &mut test_rng(2));
    assert!(matches!(again, Err(VaultError::AlreadyThere)), "{again:?}");
    assert_eq!(open(disk, A).unwrap().state(), b"first");
    let none = LockedVault::find(folder().disk);
    assert!(matches!(none, Err(VaultError::NoVault)), "{none:?}");
}

#[test]
fn two_processes_dont_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = FolderDisk::lock(folder.path()).unwrap();
    let second = FolderDisk::lock(folder.path());
    assert!(matches!(second, Err(VaultError::InUse)), "{second:?}");
    let disk: Arc<dyn Disk> = Arc::new(first);
    make(&disk, &two(), b"state", &mut test_rng(1)).unwrap();
    let reader: Arc<dyn Disk> = Arc::new(FolderDisk::reading(folder.path()));
    let mut read = open(&reader, A).unwrap();
    assert_eq!(read.state(), b"state");
    let refused = read.set_state(b"other", &mut test_rng(2));
    assert!(matches!(refused, Err(VaultError::ReadOnly)), "{refused:?}");
    drop(disk);
    // A process that another test has just begun may hold copies of our files for a moment.
    let mut tries = std::iter::repeat_with(|| FolderDisk::lock(folder.path()));
    let free = tries.find(|r| !matches!(r, Err(VaultError::InUse)));
    free.unwrap().unwrap();
}

#[test]
fn a_vault_opened_twice_isnt_written_over() {
    let Folder { disk, .. } = &folder();
    let mut rng = test_rng(1);
    let mut first = make(disk, &two(), b"", &mut rng).unwrap();
    let mut second = open(disk, A).unwrap();
    second.set_state(b"by the second", &mut rng).unwrap();
    let result = first.set_state(b"by the first", &mut rng);
    let expected = matches!(result, Err(VaultError::ChangedElsewhere { .. }));
    assert!(expected, "{result:?}");
    assert_eq!(open(disk, A).unwrap().state(), b"by the second");
}

#[test]
fn a_state_too_large_is_refused() {
    let Folder { disk, .. } = &folder();
    let mut vault = make(disk, &two(), b"small", &mut test_rng(1)).unwrap();
    let large = vec![0; tegata_keystore::vault::LONGEST_STATE + 1];
    let result = vault.set_state(&large, &mut test_rng(2));
    assert!(
        matches!(result, Err(VaultError::TooLarge { .. })),
        "{result:?}"
    );
    vault.set_state(&large[1..], &mut test_rng(2)).unwrap();
    assert_eq!(open(disk, A).unwrap().state().len(), large.len() - 1);
}

#[cfg(unix)]
#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("wallet");
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::lock(&path).unwrap());
    make(&disk, &two(), b"", &mut test_rng(1)).unwrap();
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("vault.tegata")), 0o600);
    assert_eq!(mode(&path.join("history.tegata")), 0o600);
}

#[test]
fn a_vault_beside_anothers_history_says_so() {
    let (one, other) = (folder(), folder());
    make(&one.disk, &two(), b"one", &mut test_rng(1)).unwrap();
    make(&other.disk, &two(), b"other", &mut test_rng(2)).unwrap();
    let foreign = other.disk.read(FileName::Vault).unwrap().unwrap();
    one.disk.write(FileName::Vault, &foreign).unwrap();
    let error = open(&one.disk, A).unwrap().history().unwrap_err();
    assert!(error.to_string().contains("another vault"), "{error}");
}

//! The key file: right and wrong passwords, damage, permissions.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use tegata_card::keys::Role;
use tegata_card_keys::keys::{FILE, KeyFileError, create, open};
use tegata_cli::password::Password;

use crate::world::{MASTERS, masters};

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[test]
fn keys_come_back_under_their_password_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let right = password("a long password");
    create(&path, &masters(), &right, [7; 16]).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing half-written is left");
    let keys = open(&path, &right).unwrap();
    for (role, bytes) in [Role::Debit, Role::Admin, Role::Receipt]
        .into_iter()
        .zip(MASTERS)
    {
        assert_eq!(*keys.of(role).unwrap().expose(), bytes);
    }
    assert!(keys.of(Role::Transport).is_none());
    let wrong = open(&path, &password("another password"));
    assert!(matches!(wrong, Err(KeyFileError::WrongPassword)));
    let again = create(&path, &masters(), &right, [8; 16]);
    assert!(matches!(again, Err(KeyFileError::Exists(_))));
    assert!(open(&path, &right).is_ok(), "it wasn't replaced");
}

#[test]
fn damaged_exposed_and_newer_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let right = password("a long password");
    create(&path, &masters(), &right, [7; 16]).unwrap();
    let good = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open(&path, &right)
    };
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let found = read(&bad);
        let damaged = matches!(found, Err(KeyFileError::Damaged(_)));
        assert!(damaged, "byte {at}: {found:?}");
    }
    for length in [0, 1, 17, good.len() - 1] {
        assert!(matches!(
            read(&good[..length]),
            Err(KeyFileError::Damaged(_))
        ));
    }
    let mut newer = good.clone();
    newer[16] = 2;
    assert!(matches!(read(&newer), Err(KeyFileError::Newer(2))));
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let exposed = open(&path, &right);
    assert!(matches!(
        exposed,
        Err(KeyFileError::Exposed { mode: 0o640, .. })
    ));
    let missing = open(&folder.path().join("none"), &right);
    assert!(matches!(missing, Err(KeyFileError::Io { .. })));
}

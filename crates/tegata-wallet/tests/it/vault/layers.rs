//! Two passwords mean it; one password works too.

use std::sync::Arc;

use tegata_wallet::vault::{
    Disk, FileName, FolderDisk, Layer, LockedVault, Master, NewVault, OpenVault, PasswordForm,
    PasswordRule, Passwords, VaultError,
};

use super::{A, B, chance, cheap, make, open, pw, two};

fn folder() -> (tempfile::TempDir, Arc<dyn Disk>) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FolderDisk::lock(folder.path()).unwrap());
    (folder, disk)
}

fn spending_seed(vault: &OpenVault, b: &str) -> Result<[u8; 32], VaultError> {
    vault.with_spending(&pw(b), |secrets| *secrets.seed())
}

#[test]
fn a_opens_and_b_spends() {
    let (_folder, disk) = folder();
    let made = make(&disk, &two(), b"state", &mut chance(1)).unwrap();
    let seed = spending_seed(&made, B).unwrap();
    let vault = open(&disk, A).unwrap();
    assert_eq!(vault.state(), b"state");
    assert_eq!(vault.everyday_seed(), made.everyday_seed());
    assert_eq!(spending_seed(&vault, B).unwrap(), seed);
    assert_ne!(&seed, vault.everyday_seed());
}

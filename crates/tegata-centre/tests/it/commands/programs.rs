//! Programs for download, and whether a file is the one that was published (M1).

use super::*;
use crate::{server::Client, town::Folder};

#[test]
fn a_program_is_offered_as_published_and_a_changed_download_is_noticed() {
    let live = Live::new();
    let data = live.folder.data_text();
    let get = |path: &str| {
        let mut client = Client::connect(live.server.socket()).unwrap();
        client.get(path).unwrap()
    };
    let wallet = live.file("tegata-wallet", "\u{7f}ELF a wallet");
    let publish = [
        "programs",
        "publish",
        &wallet,
        "--edition",
        "0.1.0",
        "--data",
        &data,
    ];
    let said = succeeds(&publish);
    let digest = tegata_protocol::Digest::of("\u{7f}ELF a wallet".as_bytes());
    assert!(said.contains(&digest.to_string()), "{said}");
    let page = String::from_utf8(get("/programs").body).unwrap();
    assert!(page.contains(&digest.to_string()) && page.contains("0.1.0"));
    let fetch = |path: &str, name: &str| {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}");
        let file = live.folder.holder.path().join(name);
        std::fs::write(&file, answer.body).unwrap();
        text(&file)
    };
    let file = fetch("/programs/tegata-wallet", "download");
    let signature = fetch("/programs/tegata-wallet.sign1.cbor", "signature");
    let certificates = fetch("/v1/certificates", "certificates");
    let root = *live.folder.public.root.as_bytes();
    let root = tegata_protocol::Digest::from_bytes(root).to_string();
    let verify = |file: &str, root: &str| {
        let named = ["--signature", &signature, "--certificates", &certificates];
        let verify = ["programs", "verify", file, "--root", root];
        ran(&[&verify[..], &named].concat())
    };
    assert_eq!(verify(&file, &root).code, Some(0));
    let changed = live.file("changed", "\u{7f}ELF a wallet!");
    let noticed = verify(&changed, &root);
    assert_eq!(noticed.code, Some(1));
    assert!(noticed.err.contains("delete it"), "{}", noticed.err);
    let stranger = Folder::new_root();
    assert_eq!(
        verify(&file, &stranger).code,
        Some(1),
        "another root's certificates"
    );
    assert_eq!(verify(&file, "root").code, Some(2));
    for path in [
        "/programs/keys.cbor",
        "/programs/..%2Fkeys.cbor",
        "/programs/%2e%2e/keys.cbor",
    ] {
        assert_eq!(get(path).status, 404, "{path}");
    }
}

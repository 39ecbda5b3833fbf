//! The program and its folders: certificates for a year, one server, a book that must be whole.

use crate::{
    commands::{fails, succeeds, text},
    server::{Client, Server},
    town::Folder,
};

#[test]
fn certificates_hold_for_a_year_at_most() {
    let folder = Folder::new();
    let (data, root) = (folder.data_text(), text(&folder.holder.path().join("root")));
    let password = folder.password();
    let certify = ["root", "certify", "--root", &root, "--data", &data];
    let certify = [&certify[..], &["--password-file", &password, "--days"]].concat();
    fails(&[&certify[..], &["400"]].concat(), 2, &["year", "1 to 366"]);
    fails(&[&certify[..], &["0"]].concat(), 2, &["--days"]);
    let said = succeeds(&[&certify[..], &["30"]].concat());
    assert!(said.starts_with("certified until "), "{said}");
}

#[test]
fn one_folder_has_one_server_and_it_stops_when_asked() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    fails(
        &["serve", "--data", &folder.data_text()],
        1,
        &["is in use by process", "stop"],
    );
    let mut client = Client::connect(server.socket()).unwrap();
    assert_eq!(
        client.get("/healthz").unwrap().status,
        200,
        "the first one still serves"
    );
    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    drop(Server::start(&folder));
}

#[test]
fn a_damaged_book_is_not_served() {
    let folder = Folder::new();
    drop(Server::start(&folder));
    let data = folder.data_text();
    let file = folder.data().join("ledger.sqlite");
    std::fs::remove_file(folder.data().join("ledger.sqlite-wal")).unwrap_or_default();
    let kept = std::fs::read(&file).unwrap();
    std::fs::write(&file, vec![0x55; kept.len().max(8192)]).unwrap();
    for command in [&["serve"][..], &["audit"], &["accounts"]] {
        fails(&[command, &["--data", &data]].concat(), 4, &[]);
    }
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        std::fs::remove_file(folder.data().join(name)).unwrap_or_default();
    }
    fails(
        &["serve", "--data", &data],
        4,
        &["older than its signed heads"],
    );
}

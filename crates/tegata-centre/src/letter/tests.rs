//! Tests of both forms of the letter.

use super::*;

fn letter() -> Letter {
    let lines = |text: &[&str]| text.iter().map(ToString::to_string).collect();
    Letter {
        recipient: Recipient::Member,
        centre_name: "Hanamizuki Town Centre".to_owned(),
        centre_address: lines(&["2-14 Honmachi", "Hanamizuki 390-0815", "Japan"]),
        web: "https://centre.hanamizuki.example/guide".to_owned(),
        addressee: lines(&[
            "Ms Hanako Tanaka",
            "Sakura Heights 305",
            "5-3-1 Ekimae",
            "Hanamizuki 390-0811",
        ]),
        date: "21 November 2026".to_owned(),
        number: "M-48312-20756".to_owned(),
        activation_code: "7Q4M-09XC-TJ2W-8K5E".to_owned(),
        expires: "21 December 2026".to_owned(),
        root_fingerprint: "3f9a1c7e55d2084b6a90e1f7c3b8d24491ce0a7f62bd358819f4d0673e2ab5c1"
            .to_owned(),
        terms_title: "Terms for members of the Hanamizuki Town Centre, edition of 1 November 2026"
            .to_owned(),
        terms_digest: "b0418c2d9e7f3a6655d1c4e0f28a9b7300be46d15f8c2a97e3640d1b7c58f2a9".to_owned(),
        slip: format!(
            "tegata:join?centre=https://centre.hanamizuki.example&root={0}&number=M-48312-20756\
             &code=7Q4M-09XC-TJ2W-8K5E&terms={0}",
            "3f9a1c7e55d2084b6a90e1f7c3b8d24491ce0a7f62bd358819f4d0673e2ab5c1"
        ),
    }
}

fn shop() -> Letter {
    Letter {
        recipient: Recipient::Shop,
        number: "S-30517-66124".to_owned(),
        addressee: vec!["Café Müller & Sons".to_owned(), "1-2 Ekimae".to_owned()],
        ..letter()
    }
}

/// The texts that a PDF shows, in its order, and without the positions.
fn shown(pdf: &[u8]) -> Vec<String> {
    let latin1: String = pdf.iter().map(|b| char::from(*b)).collect();
    let texts = latin1.lines().filter_map(|line| line.strip_suffix(" Tj"));
    texts
        .map(|text| text.trim_matches(['(', ')']).to_owned())
        .collect()
}

#[test]
fn the_pdf_shows_all_that_is_needed_to_join() {
    let pdf = pdf(&letter()).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    let shown = shown(&pdf);
    for text in [
        "M-48312-20756",
        "7Q4M 09XC TJ2W 8K5E",
        "21 December 2026",
        "Ms Hanako Tanaka",
    ] {
        assert!(shown.iter().any(|s| s == text), "{text}: {shown:#?}");
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_shop_gets_a_letter_of_its_own() {
    let shown = shown(&pdf(&shop()).unwrap()).join("\n");
    assert!(
        shown.contains("shop number") && !shown.contains("wallet"),
        "{shown}"
    );
    let page = html(&shop()).unwrap();
    assert!(page.contains("加盟店番号") && !page.contains("ウォレット"));
    assert!(page.contains("Café Müller &amp; Sons"));
}

/// What stands in the letter is what the programs do: their commands, passwords, words and files.
#[test]
fn every_letter_says_what_its_program_does() {
    let said = [
        (
            Recipient::Member,
            "tegata-wallet join --slip-file PICTURE --name NAME",
            ["two passwords", "24 words", "address and root key"],
        ),
        (
            Recipient::Shop,
            "tegata-shop join --data FOLDER --slip-file PICTURE --name NAME --address URL",
            ["two passwords", "24 words", "Type yes"],
        ),
        (
            Recipient::Gate,
            "tegata-gate join --data FOLDER --slip-file PICTURE --name NAME --address URL",
            ["record.cose", "PNG or JPEG", "Type yes"],
        ),
        (
            Recipient::Sealing,
            "tegata-sealing join --data FOLDER --slip-file PICTURE --name NAME --address URL",
            ["number and web address", "PNG or JPEG", "Type yes"],
        ),
    ];
    for (recipient, command, parts) in said {
        let letter = Letter {
            recipient,
            ..letter()
        };
        let shown = shown(&pdf(&letter).unwrap()).join(" ");
        let page = html(&letter).unwrap();
        assert_eq!(page.matches(command).count(), 2, "in both languages");
        for part in [&[command][..], &parts].concat() {
            assert!(shown.contains(part), "{part}: {shown}");
            assert!(page.contains(part), "{part}: {page}");
        }
        // Nobody chooses from a menu, and a code alone doesn't join.
        for text in [&shown, &page] {
            assert!(!text.contains("choose to join") && !text.contains("or type number"));
        }
    }
}

#[test]
fn gates_and_sealing_services_are_not_taken_for_shops() {
    for (recipient, own, japanese) in [
        (Recipient::Gate, "gate program", "改札プログラム"),
        (
            Recipient::Sealing,
            "sealing service's program",
            "封のサービスのプログラム",
        ),
    ] {
        let letter = Letter {
            recipient,
            ..shop()
        };
        let (shown, page) = (
            shown(&pdf(&letter).unwrap()).join(" "),
            html(&letter).unwrap(),
        );
        assert!(shown.contains(own), "{shown}");
        assert!(page.contains(japanese));
        for text in [shown, page] {
            let said = text.to_lowercase();
            assert!(
                !said.contains("shop owner") && !said.contains("shop program"),
                "{text}"
            );
            assert!(!text.contains("加盟店") && !text.contains("店舗プログラム"));
        }
    }
}

#[test]
fn the_same_letter_is_the_same_file() {
    assert_eq!(pdf(&letter()).unwrap(), pdf(&letter()).unwrap());
}

#[test]
fn the_html_letter_has_both_languages_and_fetches_nothing() {
    let page = html(&letter()).unwrap();
    for text in [
        "Activation code",
        "アクティベーションコード",
        "M-48312-20756",
        "<svg",
        "lang=\"ja\"",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<span>7Q4M</span>").count(), 2);
    for fetched in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn what_the_addressee_is_called_cant_break_the_page() {
    let hostile = Letter {
        addressee: vec!["<script>alert(1)</script>".to_owned()],
        ..letter()
    };
    assert!(!html(&hostile).unwrap().contains("<script"));
    let brackets = Letter {
        addressee: vec!["A) Tj (B \\".to_owned()],
        ..letter()
    };
    let pdf = pdf(&brackets).unwrap();
    assert!(
        !pdf.windows(9).any(|w| w == b"(A) Tj (B"),
        "brackets are escaped"
    );
}

#[test]
fn what_the_pdf_cant_show_is_said_and_not_dropped() {
    let japanese = Letter {
        addressee: vec!["田中花子様".to_owned()],
        ..letter()
    };
    let error = pdf(&japanese).unwrap_err();
    assert_eq!(
        error,
        LetterError::Character {
            character: '田',
            part: "the addressee"
        }
    );
    assert!(error.to_string().contains("HTML letter"));
    assert!(html(&japanese).unwrap().contains("田中花子様"));
}

#[test]
fn what_doesnt_fit_is_refused() {
    let too_long = |letter: &Letter| match pdf(letter) {
        Err(LetterError::TooLong { part }) => part,
        other => panic!("{other:?}"),
    };
    let long = "W".repeat(80);
    assert_eq!(
        too_long(&Letter {
            number: long.clone(),
            ..letter()
        }),
        "the number"
    );
    assert_eq!(
        too_long(&Letter {
            web: long.clone(),
            ..letter()
        }),
        "the centre's address"
    );
    assert_eq!(
        too_long(&Letter {
            addressee: vec![String::new(); 7],
            ..letter()
        }),
        "the addressee"
    );
    assert_eq!(
        too_long(&Letter {
            terms_title: long.repeat(20),
            ..letter()
        }),
        "the letter"
    );
    let slip = Letter {
        slip: "x".repeat(3000),
        ..letter()
    };
    assert!(matches!(pdf(&slip), Err(LetterError::Slip(_))));
    assert!(matches!(html(&slip), Err(LetterError::Slip(_))));
}

#[test]
fn a_letter_doesnt_tell_its_secrets_to_a_log() {
    let logged = format!("{:?}", letter());
    assert_eq!(logged, "Letter(Member M-48312-20756, …)");
}

/// `TEGATA_LETTER_DIR=/some/folder cargo test -p tegata-centre letter` leaves the letters there
/// for people to look at.
#[test]
fn letters_to_look_at() {
    let Some(folder) = std::env::var_os("TEGATA_LETTER_DIR").map(std::path::PathBuf::from) else {
        return;
    };
    for (name, letter) in [("member", letter()), ("shop", shop())] {
        std::fs::write(folder.join(format!("{name}.pdf")), pdf(&letter).unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.html")), html(&letter).unwrap()).unwrap();
    }
}

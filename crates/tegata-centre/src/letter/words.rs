//! The letter's own words, in both languages.

use super::{Letter, Recipient};

/// All words of a letter in one language.
pub(super) struct Words {
    pub(super) language: &'static str,
    pub(super) subject: &'static str,
    pub(super) greeting: &'static str,
    pub(super) opening: &'static str,
    pub(super) number: &'static str,
    pub(super) code: &'static str,
    pub(super) expires: &'static str,
    pub(super) scan: &'static str,
    pub(super) line: &'static str,
    pub(super) steps_title: &'static str,
    pub(super) steps: Vec<String>,
    pub(super) root: &'static str,
    pub(super) terms: &'static str,
    pub(super) terms_note: &'static str,
    pub(super) warning: &'static str,
    pub(super) closing: &'static str,
}

/// What differs from recipient to recipient.
struct Own {
    subject: &'static str,
    greeting: &'static str,
    number: &'static str,
    program: &'static str,
    keys: &'static str,
}

const fn english_own(recipient: Recipient) -> Own {
    match recipient {
        Recipient::Member => Own {
            subject: "Welcome: your member number and activation code",
            greeting: "Dear member,",
            number: "Member number",
            program: "wallet program",
            keys: "Choose your two passwords: A opens the wallet, B is asked for each time money is \
                   spent. Then write down the 24 words that the program shows; they alone bring a \
                   lost wallet back.",
        },
        Recipient::Shop => Own {
            subject: "Welcome: your shop number and activation code",
            greeting: "Dear shop owner,",
            number: "Shop number",
            program: "shop program",
            keys: "Choose the password that protects your shop's keys. The keys are made on your own \
                   computer and never leave it.",
        },
        Recipient::Gate => Own {
            subject: "Welcome: your gate number and activation code",
            greeting: "Dear gate keeper,",
            number: "Gate number",
            program: "gate program",
            keys: "It makes the gate's keys on the gate's own computer; they never leave it. Give its \
                   number to the shops whose tickets it is to check.",
        },
        Recipient::Sealing => Own {
            subject: "Welcome: your sealing service's number and activation code",
            greeting: "Dear operator,",
            number: "Service number",
            program: "sealing service's program",
            keys: "It makes the service's keys on your own computer; they never leave it. Give number \
                   and web address to the shops whose keys it is to hand out.",
        },
    }
}

const fn japanese_own(recipient: Recipient) -> Own {
    match recipient {
        Recipient::Member => Own {
            subject: "会員番号とアクティベーションコードのお知らせ",
            greeting: "会員の皆様",
            number: "会員番号",
            program: "ウォレットプログラム",
            keys: "パスワードを二つ決めてください。Aはウォレットを開くとき、Bはお金を使うたびに入力します。\
                   続いて表示される24個の単語を紙に書き留めてください。ウォレットをなくしたとき、元に戻せるのはこの単語だけです。",
        },
        Recipient::Shop => Own {
            subject: "加盟店番号とアクティベーションコードのお知らせ",
            greeting: "加盟店ご担当者様",
            number: "加盟店番号",
            program: "店舗プログラム",
            keys: "お店の鍵を守るパスワードを決めてください。鍵はお手元のパソコンで作られ、外に出ることはありません。",
        },
        Recipient::Gate => Own {
            subject: "改札番号とアクティベーションコードのお知らせ",
            greeting: "改札ご担当者様",
            number: "改札番号",
            program: "改札プログラム",
            keys: "改札の鍵は改札のパソコンで作られ、外に出ることはありません。チケットを発行する店舗に、改札番号を\
                   お伝えください。",
        },
        Recipient::Sealing => Own {
            subject: "封のサービスの番号とアクティベーションコードのお知らせ",
            greeting: "封のサービスご担当者様",
            number: "サービス番号",
            program: "封のサービスのプログラム",
            keys: "サービスの鍵はお手元のパソコンで作られ、外に出ることはありません。鍵の配布を任せる店舗に、番号と\
                   ウェブアドレスをお伝えください。",
        },
    }
}

/// English words for this letter.
pub(super) fn english(letter: &Letter) -> Words {
    let own = english_own(letter.recipient);
    let get = format!(
        "Get the {} from {}. The page shows its digest: compare it.",
        own.program, letter.web
    );
    Words {
        language: "en",
        subject: own.subject,
        greeting: own.greeting,
        opening: "Thank you for applying. This letter holds all that you need to join; it takes a few \
                  minutes at your own computer.",
        number: own.number,
        code: "Activation code",
        expires: "Use it by",
        scan: "Let the program read this",
        line: "What the square code holds, as one line",
        steps_title: "How to join",
        steps: vec![
            get,
            "Start it and choose to join. Let it read the square code above, or type number and \
             activation code."
                .to_owned(),
            "It shows the fingerprint of our root key. Go on only if it is the one printed below."
                .to_owned(),
            own.keys.to_owned(),
        ],
        root: "Fingerprint of our root key",
        terms: "Terms that you accept by joining",
        terms_note: "Their text is on the page named above; this is their digest (SHA-256).",
        warning: "Whoever holds this letter can join in your place. Keep it to yourself and destroy \
                  it once you have joined. The code works once, and we never ask for it.",
        closing: "We look forward to seeing you.",
    }
}

/// Japanese words for this letter.
pub(super) fn japanese(letter: &Letter) -> Words {
    let own = japanese_own(letter.recipient);
    Words {
        language: "ja",
        subject: own.subject,
        greeting: own.greeting,
        opening: "このたびはお申し込みいただき、ありがとうございます。ご登録に必要なものはすべてこの手紙に\
                  あります。お手元のパソコンで数分で済みます。",
        number: own.number,
        code: "アクティベーションコード",
        expires: "有効期限",
        scan: "プログラムで読み取ってください",
        line: "二次元コードの内容（一行）",
        steps_title: "ご登録の手順",
        steps: vec![
            format!(
                "{}を {} から入手し、ページに表示されているダイジェストと照合してください。",
                own.program, letter.web
            ),
            "プログラムを起動して登録を選び、上の二次元コードを読み取るか、番号とアクティベーションコードを\
             入力してください。"
                .to_owned(),
            "当センターのルート鍵の指紋が表示されます。下に印刷したものと同じ場合にだけ、先へ進んでください。"
                .to_owned(),
            own.keys.to_owned(),
        ],
        root: "当センターのルート鍵の指紋",
        terms: "ご登録により同意いただく規約",
        terms_note: "本文は上記ページにあります。上の数字はその SHA-256 です。",
        warning: "この手紙を持つ人は、あなたに代わって登録できてしまいます。人に見せず、登録が済んだら処分して\
                  ください。コードは一度しか使えません。当センターからコードをお尋ねすることはありません。",
        closing: "ご利用をお待ちしております。",
    }
}

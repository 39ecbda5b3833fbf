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
    pub(super) warning: String,
    pub(super) closing: &'static str,
}

/// What differs from recipient to recipient.
struct Own {
    subject: &'static str,
    greeting: &'static str,
    number: &'static str,
    program: &'static str,
    /// Joins with a picture of the letter.
    command: &'static str,
    keys: &'static str,
    /// What the letter is good for afterwards.
    afterwards: &'static str,
}

/// What everybody types to join; a member has no web address.
const fn command(recipient: Recipient) -> &'static str {
    match recipient {
        Recipient::Member => "tegata-wallet join --slip-file PICTURE --name NAME",
        Recipient::Shop => {
            "tegata-shop join --data FOLDER --slip-file PICTURE --name NAME --address URL"
        }
        Recipient::Gate => {
            "tegata-gate join --data FOLDER --slip-file PICTURE --name NAME --address URL"
        }
        Recipient::Sealing => {
            "tegata-sealing join --data FOLDER --slip-file PICTURE --name NAME --address URL"
        }
    }
}

const fn english_own(recipient: Recipient) -> Own {
    let command = command(recipient);
    match recipient {
        Recipient::Member => Own {
            subject: "Welcome: your member number and activation code",
            greeting: "Dear member,",
            number: "Member number",
            program: "wallet program",
            command,
            keys: "Choose two passwords: A opens the wallet, B is asked for when money leaves your account. \
                   Then write down the 24 words that the program shows.",
            afterwards: "Keep our address and root key with your 24 words: a lost wallet needs all three.",
        },
        Recipient::Shop => Own {
            subject: "Welcome: your shop number and activation code",
            greeting: "Dear shop owner,",
            number: "Shop number",
            program: "shop program",
            command,
            keys: "Choose two passwords: A opens orders and history, B signs bills and tickets. Then write \
                   down the 24 words that the program shows: your keys grow from them.",
            afterwards: "",
        },
        Recipient::Gate => Own {
            subject: "Welcome: your gate number and activation code",
            greeting: "Dear gate keeper,",
            number: "Gate number",
            program: "gate program",
            command,
            keys: "It makes the gate's keys on the gate's own computer; they never leave it. Give the file \
                   record.cose from its folder to the shops whose tickets it is to check.",
            afterwards: "",
        },
        Recipient::Sealing => Own {
            subject: "Welcome: your sealing service's number and activation code",
            greeting: "Dear operator,",
            number: "Service number",
            program: "sealing service's program",
            command,
            keys: "It makes the service's keys on your own computer; they never leave it. Give number \
                   and web address to the shops whose keys it is to hand out.",
            afterwards: "",
        },
    }
}

const fn japanese_own(recipient: Recipient) -> Own {
    let command = command(recipient);
    match recipient {
        Recipient::Member => Own {
            subject: "会員番号とアクティベーションコードのお知らせ",
            greeting: "会員の皆様",
            number: "会員番号",
            program: "ウォレットプログラム",
            command,
            keys: "パスワードを二つ決めてください。Aはウォレットを開くとき、Bは口座からお金が出るたびに入力します。\
                   続いて表示される24個の単語を紙に書き留めてください。",
            afterwards: "当センターのアドレスとルート鍵は、24個の単語と一緒に保管してください。ウォレットをなくしたとき、\
                         元に戻すには三つとも必要です。",
        },
        Recipient::Shop => Own {
            subject: "加盟店番号とアクティベーションコードのお知らせ",
            greeting: "加盟店ご担当者様",
            number: "加盟店番号",
            program: "店舗プログラム",
            command,
            keys: "パスワードを二つ決めてください。Aは注文と履歴を開くとき、Bは請求書とチケットに署名するときに使います。\
                   続いて表示される24個の単語を紙に書き留めてください。お店の鍵は、お手元のパソコンでこの単語から作られます。",
            afterwards: "",
        },
        Recipient::Gate => Own {
            subject: "改札番号とアクティベーションコードのお知らせ",
            greeting: "改札ご担当者様",
            number: "改札番号",
            program: "改札プログラム",
            command,
            keys: "改札の鍵は改札のパソコンで作られ、外に出ることはありません。フォルダーにできるファイル record.cose を、\
                   チケットを発行する店舗にお渡しください。",
            afterwards: "",
        },
        Recipient::Sealing => Own {
            subject: "封のサービスの番号とアクティベーションコードのお知らせ",
            greeting: "封のサービスご担当者様",
            number: "サービス番号",
            program: "封のサービスのプログラム",
            command,
            keys: "サービスの鍵はお手元のパソコンで作られ、外に出ることはありません。鍵の配布を任せる店舗に、番号と\
                   ウェブアドレスをお伝えください。",
            afterwards: "",
        },
    }
}

/// English words for this letter.
pub(super) fn english(letter: &Letter) -> Words {
    let own = english_own(letter.recipient);
    let get = format!(
        "Get the {} from the page Programs at {}; compare its SHA-256 with the page's.",
        own.program, letter.web
    );
    let join = format!(
        "Photograph or scan this letter (PNG or JPEG) and run: {}",
        own.command
    );
    Words {
        language: "en",
        subject: own.subject,
        greeting: own.greeting,
        opening: "Thank you for applying. This letter holds all that you need to join.",
        number: own.number,
        code: "Activation code",
        expires: "Use it by",
        scan: "Let the program read a picture of this",
        line: "What the square code holds, as one line",
        steps_title: "How to join",
        steps: vec![
            get,
            join,
            "It shows our root key and the terms. Type yes if the key is the one below and you agree."
                .to_owned(),
            own.keys.to_owned(),
        ],
        root: "Our root key",
        terms: "Terms that you accept by joining",
        terms_note: "The program shows their text; this is their digest (SHA-256).",
        warning: format!(
            "Whoever holds this letter, or a picture of it, can join in your place: keep both to yourself, and \
             delete the picture afterwards. The code works once, and we never ask for it. {}",
            own.afterwards
        )
        .trim_end()
        .to_owned(),
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
        scan: "画像にしてプログラムで読み取ってください",
        line: "二次元コードの内容（一行）",
        steps_title: "ご登録の手順",
        steps: vec![
            format!(
                "{}を {} の「プログラム」のページから入手し、表示されている SHA-256 とファイルのものを照合してください。",
                own.program, letter.web
            ),
            format!(
                "この手紙を撮影またはスキャンし（PNG か JPEG）、その画像をプログラムに読み取らせてください：{}",
                own.command
            ),
            "当センターのルート鍵と規約が表示されます。鍵が下に印刷したものと同じで、規約に同意される場合にだけ、\
             yes と入力してください。"
                .to_owned(),
            own.keys.to_owned(),
        ],
        root: "当センターのルート鍵",
        terms: "ご登録により同意いただく規約",
        terms_note: "本文はプログラムが表示します。上の数字はその SHA-256 です。",
        warning: format!(
            "この手紙またはその画像を持つ人は、あなたに代わって登録できてしまいます。登録が済むまで人に見せず、\
             済んだら画像を消してください。コードは一度しか使えません。当センターからコードをお尋ねすることは\
             ありません。{}",
            own.afterwards
        ),
        closing: "ご利用をお待ちしております。",
    }
}

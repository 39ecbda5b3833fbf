//! A centre in a folder of its own, and the parties that deal with it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_bank::{
    Balance, StatementId, camt053,
    sample::{self, SampleEntry, SampleStatement},
};
use tegata_centre::{
    audit::Auditor,
    keys::{PublicKeys, SealedKeyFile},
    operator::{OrderError, entries_of, sign_import},
    people::People,
    {Answered, Centre},
};
use tegata_cli::{data::DataDir, password::Password};
use tegata_ledger::{
    Account, AccountId, Hold,
    audit::Report,
    store::{Reader, SqliteStore, Store as _},
};
use tegata_protocol::{
    Amount, Currency, Digest, MessageId, OpeningKey, PartyNumber, PaymentId, ReplyKey, Role,
    SignedBytes, SigningKey, Suite, Time, TransactionNumber, Unverified,
    card::CardLoad,
    cbor,
    envelope::{Body, Envelope, Message, Parcel, Reply, Sealed},
    joining::{Claim, Details, Registered, Registration, SaltedDetails, Slip},
    payment::{Capture, Captured, Collect, Mailbox, Mode, Payment, Receipt},
    prepaid::{Funding, PaymentReference, PrepaidRequest},
    purchase::{Bill, DeliveryKind, Line, Rounding, TaxMode, TaxRate, compute_totals},
    record::{PartyKeys, Profile},
    refusal::{Code, Refusal},
};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tegata-centre");
/// The centre's account at the bank.
pub(crate) const ACCOUNT: &str = "JP-0001-7654321";
/// The operator's password, and the root's.
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

pub(crate) fn txn(number: u64) -> TransactionNumber {
    TransactionNumber::new(number).unwrap()
}

/// What every folder starts as: made once by the program itself, then copied.
struct Template {
    folder: tempfile::TempDir,
    made: Time,
    operator: SigningKey,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let password = password_file(folder.path(), "password", PASSWORD);
        let (root, data) = (folder.path().join("root"), folder.path().join("centre"));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (root, data_text, password) = (text(&root), text(&data), text(&password));
        succeeds(&["root", "new", "--root", &root, "--password-file", &password]);
        let init = [
            &["init", "--data", &data_text, "--name", "Hanamizuki Town"][..],
            &["--address", "https://centre.example", "--account", ACCOUNT],
            &["--owner", "Hanamizuki Town Association"],
            &["--password-file", &password],
        ];
        succeeds(&init.concat());
        let certify = ["root", "certify", "--root", &root, "--data", &data_text];
        succeeds(&[&certify[..], &["--password-file", &password]].concat());
        // Many tests send more in a moment than a party ever does.
        pace(&data, 0);
        let dir = DataDir::open_existing(&data, tegata_centre::settings::PARTY).unwrap();
        let opened = SealedKeyFile::open(&dir, "operator.key", &Password::new(PASSWORD.into()));
        Template {
            folder,
            made: Time::from_secs(tegata_cli::clock::now()),
            operator: opened.unwrap(),
        }
    })
}

/// Sets how many messages of a member the centre in this folder takes in a minute, and at once.
pub(crate) fn pace(data: &Path, members: u32) {
    let file = data.join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let (others, _) = settings.split_once("[pace]").unwrap();
    let pace = format!("{others}[pace]\nmembers = {members}\nshops = 0\ngates = 0\n");
    std::fs::write(&file, pace).unwrap();
}

/// Writes a password where only its owner can read it.
pub(crate) fn password_file(folder: &Path, name: &str, password: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, password).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear();
    command.stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn succeeds(arguments: &[&str]) {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Copies a folder's files and folders; sockets and locks stay behind.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A centre's folder, with or without a running centre.
pub(crate) struct Folder {
    pub(crate) holder: tempfile::TempDir,
    pub(crate) public: PublicKeys,
    next: AtomicU64,
}

impl Folder {
    /// A fresh centre that nobody has joined yet.
    pub(crate) fn new() -> Self {
        let holder = tempfile::tempdir().unwrap();
        copy(template().folder.path(), holder.path());
        let data = holder.path().join("centre");
        let dir = DataDir::open_existing(&data, tegata_centre::settings::PARTY).unwrap();
        let public = PublicKeys::open(&dir, template().made).unwrap();
        Self {
            holder,
            public,
            next: AtomicU64::new(1),
        }
    }

    /// Reads the certificates again.
    pub(crate) fn reopen(&mut self) {
        self.public = PublicKeys::open(&self.dir(), template().made).unwrap();
    }

    /// The public key of a root that isn't this town's, in hexadecimal.
    pub(crate) fn new_root() -> String {
        let key = SigningKey::generate(&mut rng()).0.verifying_key();
        Digest::from_bytes(*key.as_bytes()).to_string()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.holder.path().join("centre")
    }

    /// The data folder as an argument.
    pub(crate) fn data_text(&self) -> String {
        self.data().to_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self) -> DataDir {
        DataDir::open_existing(&self.data(), tegata_centre::settings::PARTY).unwrap()
    }

    pub(crate) fn password(&self) -> String {
        self.holder.path().join("password").to_str().unwrap().into()
    }

    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        reader(&self.data())
    }

    pub(crate) fn audit(&self, brought: &[Vec<u8>]) -> Report {
        audit(&self.public, &self.data(), brought)
    }

    /// A letter's slip for somebody new.
    pub(crate) fn invite(&self, role: Role, at: Time) -> Slip {
        self.invite_until(role, at, at.after(60 * 86_400))
    }

    pub(crate) fn invite_until(&self, role: Role, at: Time, expires: Time) -> Slip {
        let people = People::open(&self.data()).unwrap();
        let application = people.apply(role, &details(), at).unwrap();
        let terms = Digest::of(&self.dir().read("terms.txt").unwrap());
        let granted = people.grant(application, terms, (at, expires)).unwrap();
        Slip {
            centre: "https://centre.example".into(),
            root: self.public.root,
            number: granted.number,
            code: granted.code,
            terms,
        }
    }

    /// A shop's bill over `amount`, payable for a quarter of an hour.
    pub(crate) fn bill(&self, shop: &Party, amount: u64, issued: Time) -> SignedBytes {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        shop.signing
            .sign(&bill_of(shop.number, number, amount, issued))
    }
}

/// A bill of one line.
pub(crate) fn bill_of(shop: PartyNumber, number: u64, amount: u64, issued: Time) -> Bill {
    let line = Line {
        text: "Evening concert".into(),
        quantity: 1,
        unit_price: yen(amount),
        tax_rate: TaxRate::new(1000).unwrap(),
        tax_mode: TaxMode::Included,
        discount: yen(0),
    };
    let (lines, tip, rounding) = (vec![line], yen(0), Rounding::Down);
    Bill {
        shop,
        transaction: txn(number),
        request: None,
        totals: compute_totals(&lines, tip, rounding).unwrap(),
        lines,
        tip,
        rounding,
        tax_number: None,
        issued,
        expires: issued.after(900),
        delivery: DeliveryKind::Data,
        interface: None,
    }
}

/// Personal details that can be searched for.
pub(crate) fn details() -> Details {
    Details {
        name: "Hanako Kirishima".into(),
        postal: vec!["9-9-9 Kaede-machi".into(), "Hanamizuki".into()],
        mail: Some("hanako@kirishima.example".into()),
        account: None,
    }
}

pub(crate) fn reader(data: &Path) -> Box<dyn Reader> {
    let store = SqliteStore::open_existing(&data.join("ledger.sqlite")).unwrap();
    store.reader().unwrap()
}

pub(crate) fn audit(public: &PublicKeys, data: &Path, brought: &[Vec<u8>]) -> Report {
    let auditor = Auditor::new(public.keys.clone(), Currency::JPY);
    let mut reader = reader(data);
    auditor
        .audit(reader.as_mut(), &data.join("heads"), brought)
        .unwrap()
}

/// Somebody with keys.
pub(crate) struct Party {
    pub(crate) number: PartyNumber,
    pub(crate) signing: SigningKey,
    pub(crate) spending: Option<SigningKey>,
    pub(crate) opening: OpeningKey,
}

impl Party {
    /// Fresh keys of the kinds that the number's role needs.
    pub(crate) fn new(number: PartyNumber) -> Self {
        let key = || SigningKey::generate(&mut rng()).0;
        Self {
            number,
            signing: key(),
            spending: (number.role() == Role::Member).then(key),
            opening: OpeningKey::generate(Suite::Standard, &mut rng()).0,
        }
    }

    pub(crate) fn keys(&self) -> PartyKeys {
        PartyKeys {
            spending: self.spending.as_ref().map(SigningKey::verifying_key),
            signing: self.signing.verifying_key(),
            opening: self.opening.sealing_key().clone(),
        }
    }

    pub(crate) fn claim(&self, slip: &Slip, details: &SaltedDetails) -> Claim {
        let profile = || Profile {
            name: "Kissa Momiji".into(),
            address: "https://momiji.example".into(),
        };
        Claim {
            details: details.digest(),
            terms: slip.terms,
            keys: self.keys(),
            profile: (self.number.role() != Role::Member).then(profile),
        }
    }

    /// The registration that the letter asks for.
    pub(crate) fn registration(&self, slip: &Slip, id: MessageId) -> (Registration, Vec<u8>) {
        let salted = salted();
        let claim = self.claim(slip, &salted);
        let spending = self.spending.as_ref();
        let body = Registration::new(self.number, id, claim, spending, &slip.code);
        (body, salted.to_bytes())
    }

    pub(crate) fn account(&self) -> AccountId {
        match self.number.role() {
            Role::Shop => AccountId::shop(self.number, Currency::JPY),
            Role::Member | Role::Gate | Role::Sealing | Role::Centre => {
                AccountId::prepaid(self.number, Currency::JPY)
            }
        }
    }

    /// A member's spending key.
    pub(crate) fn spending_key(&self) -> &SigningKey {
        self.spending.as_ref().unwrap()
    }

    /// The key that signs messages of this type.
    fn key_for<B: Body>(&self) -> &SigningKey {
        match &self.spending {
            Some(spending) if [Payment::LABEL, CardLoad::LABEL].contains(&B::LABEL) => spending,
            _ => &self.signing,
        }
    }
}

pub(crate) fn salted() -> SaltedDetails {
    SaltedDetails::new(details(), &mut rng()).unwrap()
}

/// A message as it lies with its sender.
pub(crate) struct Letter {
    pub(crate) parcel: Parcel,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply_key: ReplyKey,
    pub(crate) id: MessageId,
}

impl Letter {
    pub(crate) fn digest(&self) -> Digest {
        self.parcel.signed.digest()
    }

    /// The payment that it instructs, if it's one.
    pub(crate) fn payment(&self) -> PaymentId {
        PaymentId::new(self.digest())
    }
}

/// Signs and seals a message to the centre, by whichever key.
pub(crate) fn letter<B: Body>(
    folder: &Folder,
    (from, key): (PartyNumber, &SigningKey),
    body: B,
    attachment: Option<Vec<u8>>,
    at: Time,
) -> Letter {
    let opening = &folder.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let id = MessageId::random(&mut rng());
    let signed = envelope.sign(key, from, id, at, body);
    let parcel = match attachment {
        Some(bytes) => Parcel::with(signed, bytes),
        None => Parcel::new(signed),
    };
    let (sealed, reply_key) = envelope.seal(&parcel);
    Letter {
        parcel,
        bytes: sealed.to_bytes(),
        reply_key,
        id,
    }
}

/// Seals what was signed before, as its sender would, or anybody who got hold of it.
pub(crate) fn again(folder: &Folder, parcel: &Parcel) -> Letter {
    let opening = &folder.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let (sealed, reply_key) = envelope.seal(parcel);
    Letter {
        parcel: parcel.clone(),
        bytes: sealed.to_bytes(),
        reply_key,
        id: MessageId::from_bytes([0; 16]),
    }
}

/// A message of the party's own, signed by the key that is right for it.
pub(crate) fn own<B: Body>(
    folder: &Folder,
    party: &Party,
    body: B,
    attachment: Option<Vec<u8>>,
    at: Time,
) -> Letter {
    letter(
        folder,
        (party.number, party.key_for::<B>()),
        body,
        attachment,
        at,
    )
}

/// What came back: the reply's body and what was attached, or the refusal's code.
pub(crate) type Replied<R> = Result<(R, Option<Vec<u8>>), Code>;

/// Opens and verifies a reply: signed by the centre, to this party, answering this letter.
pub(crate) fn open<R: Body>(
    folder: &Folder,
    party: &Party,
    letter: &Letter,
    reply: &[u8],
) -> Replied<R> {
    let reply = Reply::parse(reply).unwrap();
    let parcel = reply.open(&letter.reply_key, &party.opening).unwrap();
    let head = parcel.attached().map(<[u8]>::to_vec);
    let (label, _) = parcel.signed.label().unwrap();
    if label == Refusal::LABEL {
        Err(believe::<Refusal>(folder, party, letter, parcel.signed).code)
    } else {
        Ok((believe(folder, party, letter, parcel.signed), head))
    }
}

fn believe<R: Body>(folder: &Folder, party: &Party, letter: &Letter, signed: SignedBytes) -> R {
    let message = Unverified::<Message<R>>::parse(signed).unwrap();
    let message = message.verify(&folder.public.keys.receipts).unwrap();
    assert_eq!(
        (message.from, message.to),
        (PartyNumber::CENTRE, party.number)
    );
    assert_eq!(message.answers, Some(letter.digest()));
    message.into_value().body
}

/// A running centre.
pub(crate) struct Town {
    pub(crate) folder: Folder,
    pub(crate) centre: Centre,
    /// Some moment at which everything is valid.
    pub(crate) now: Time,
}

impl std::ops::Deref for Town {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::of(Folder::new())
    }

    /// The centre in this folder.
    pub(crate) fn of(folder: Folder) -> Self {
        let now = template().made;
        let centre = Centre::open(&folder.dir(), now).unwrap();
        Self {
            folder,
            centre,
            now,
        }
    }

    pub(crate) fn accept(&self, bytes: &[u8], at: Time) -> Answered {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(self.centre.accept(bytes, at))
    }

    /// Hands a letter in and opens the reply.
    pub(crate) fn send<R: Body>(&self, party: &Party, letter: &Letter, at: Time) -> Replied<R> {
        match self.accept(&letter.bytes, at) {
            Answered::Reply(reply) => open(&self.folder, party, letter, &reply),
            other @ (Answered::Unreadable
            | Answered::Busy
            | Answered::TooFast(_)
            | Answered::Fault) => {
                panic!("{other:?}")
            }
        }
    }

    /// Signs, seals, hands in, opens; all at one moment.
    pub(crate) fn ask<B: Body, R: Body>(
        &self,
        party: &Party,
        body: B,
        attachment: Option<Vec<u8>>,
        at: Time,
    ) -> Result<R, Code> {
        let letter = own(&self.folder, party, body, attachment, at);
        self.send(party, &letter, at).map(|(reply, _)| reply)
    }

    /// When everybody joins, so that bills and holds can be old already.
    pub(crate) fn joined(&self) -> Time {
        self.now.before(3000)
    }

    /// Somebody new, registered by letter.
    pub(crate) fn join(&self, role: Role) -> Party {
        let slip = self.invite(role, self.joined());
        let party = Party::new(slip.number);
        self.register(&party, &slip, self.joined()).unwrap();
        party
    }

    pub(crate) fn registration(&self, party: &Party, slip: &Slip, at: Time) -> Letter {
        registration(&self.folder, party, slip, at)
    }

    pub(crate) fn register(
        &self,
        party: &Party,
        slip: &Slip,
        at: Time,
    ) -> Result<Registered, Code> {
        let letter = self.registration(party, slip, at);
        self.send(party, &letter, at).map(|(reply, _)| reply)
    }

    /// A member with so much money.
    pub(crate) fn member(&self, money: u64) -> Party {
        let member = self.join(Role::Member);
        if money > 0 {
            self.fund(&[(&member, money)], self.now);
        }
        member
    }

    pub(crate) fn shop(&self) -> Party {
        self.join(Role::Shop)
    }

    pub(crate) fn reference(&self, member: &Party, amount: u64, at: Time) -> PaymentReference {
        let (amount, funding) = (yen(amount), Funding::Transfer);
        self.ask(member, PrepaidRequest { amount, funding }, None, at)
            .unwrap()
    }

    /// Transfers under fresh references, all on one statement.
    pub(crate) fn fund(&self, whom: &[(&Party, u64)], at: Time) {
        let transfer = |(member, money): &(&Party, u64)| {
            let reference = self
                .reference(member, (*money).clamp(500, 100_000), at)
                .reference;
            SampleEntry::transfer(yen(*money), "KIRISHIMA HANAKO", &reference)
        };
        let file = self.statement(whom.iter().map(transfer).collect());
        self.import(&file, at).unwrap();
    }

    /// A statement file of these entries, with an id of its own.
    pub(crate) fn statement(&self, entries: Vec<SampleEntry>) -> String {
        statement(self.next.fetch_add(1, Ordering::Relaxed), entries)
    }

    /// The operator signs the file's first statement and hands it in.
    pub(crate) fn import(&self, file: &str, at: Time) -> Result<SignedBytes, OrderError> {
        let parcel = self.import_order(file, at);
        self.centre.order(&cbor::encode(&parcel), at)
    }

    pub(crate) fn import_order(&self, file: &str, at: Time) -> Parcel {
        let read = camt053::parse(file.as_bytes()).unwrap();
        let statement = &read.statements[0];
        let entries = entries_of(statement, |r| {
            self.reader().funding(r.as_str()).unwrap().is_some()
        });
        sign_import(self.operator(), file.as_bytes(), statement, entries, at)
    }

    pub(crate) fn operator(&self) -> (PartyNumber, &SigningKey) {
        let number = PartyNumber::new(Role::Centre, tegata_centre::operator::FIRST_OPERATOR);
        (number.unwrap(), &template().operator)
    }

    pub(crate) fn pay(
        &self,
        member: &Party,
        bill: &SignedBytes,
        mode: Mode,
        at: Time,
    ) -> Result<Receipt, Code> {
        self.ask(member, payment(bill, mode), None, at)
    }

    /// Takes `amount` of a hold and hands over these sealed bytes.
    pub(crate) fn capture(
        &self,
        shop: &Party,
        (payment, amount): (PaymentId, u64),
        delivery: &[u8],
        at: Time,
    ) -> Result<Captured, Code> {
        let body = Capture {
            payment,
            amount: yen(amount),
            delivery: Digest::of(delivery),
        };
        self.ask(shop, body, Some(delivery.to_vec()), at)
    }

    pub(crate) fn collect(&self, party: &Party, after: u64, at: Time) -> Mailbox {
        self.ask(party, Collect { after }, None, at).unwrap()
    }

    pub(crate) fn balance(&self, party: &Party) -> Account {
        self.reader()
            .account(&party.account())
            .unwrap()
            .unwrap_or_default()
    }

    pub(crate) fn hold(&self, payment: PaymentId) -> Option<Hold> {
        self.reader().hold(&payment).unwrap()
    }

    /// Everything that a refusal must leave as it was.
    pub(crate) fn book(&self) -> String {
        let mut book = self.reader();
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            book.accounts(None, 10_000).unwrap(),
            book.holds(None, 10_000).unwrap(),
            book.bills(None, 10_000).unwrap(),
            book.parties(None, 10_000).unwrap(),
            book.fundings(None, 10_000).unwrap(),
            book.statements(None, 10_000).unwrap(),
        )
    }

    /// How many records the book has, refused ones too.
    pub(crate) fn records(&self) -> u64 {
        let tips = self.reader().tips().unwrap();
        tips.first().map_or(0, |tip| tip.position.sequence)
    }

    /// The audit must have nothing to say.
    pub(crate) fn assert_clean(&self) {
        let report = self.audit(&[]);
        assert!(report.is_clean(), "{:#?}", report.findings);
    }
}

/// A letter's registration, signed and sealed at once.
pub(crate) fn registration(folder: &Folder, party: &Party, slip: &Slip, at: Time) -> Letter {
    let opening = &folder.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let id = MessageId::random(&mut rng());
    let (body, details) = party.registration(slip, id);
    let signed = envelope.sign(&party.signing, party.number, id, at, body);
    let parcel = Parcel::with(signed, details);
    let (sealed, reply_key) = envelope.seal(&parcel);
    Letter {
        parcel,
        bytes: sealed.to_bytes(),
        reply_key,
        id,
    }
}

/// A statement file of our account.
pub(crate) fn statement(number: u64, entries: Vec<SampleEntry>) -> String {
    let facts = SampleStatement {
        account: ACCOUNT.parse().unwrap(),
        id: StatementId::new(&format!("2026-{number:05}")).unwrap(),
        sequence: number,
        date: jiff::civil::date(2026, 11, 20),
        opening: Balance::holding(yen(1_000_000)),
        entries,
    };
    sample::statement(&facts).unwrap()
}

/// The instruction to pay a bill's whole total.
pub(crate) fn payment(bill: &SignedBytes, mode: Mode) -> Payment {
    let claimed = Unverified::<Bill>::parse(bill.clone()).unwrap();
    let amount = claimed.claimed().totals.total;
    let bill = bill.clone();
    Payment { bill, amount, mode }
}

/// Bytes sealed by a shop to a member; the centre never looks inside.
pub(crate) fn delivery(shop: &Party, member: &Party, text: &str) -> Vec<u8> {
    let inside = Collect {
        after: text.len().try_into().unwrap(),
    };
    let id = MessageId::random(&mut rng());
    let message = Message {
        from: shop.number,
        to: member.number,
        id,
        time: Time::from_secs(0),
        not_after: None,
        enc_digest: None,
        answers: None,
        body: inside,
    };
    let parcel = Parcel::with(shop.signing.sign(&message), text.as_bytes().to_vec());
    let to = member.opening.sealing_key();
    let sealed = Sealed::seal(member.number, to, &parcel, &mut rng());
    sealed.unwrap().to_bytes()
}

//! A sealing service in a thread, just good enough to be traded with: it keeps what it's sent and
//! answers as it's told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tegata_protocol::envelope::{Body, Message, Parcel, Reply, Sealed};
use tegata_protocol::order::{
    KeySource, KeysWanted, MadeKey, MadeKeys, OrderKey, Pile, Stock, StockInquiry, StockUpload,
    program_digest,
};
use tegata_protocol::record::{PartyKeys, PartyRecord, Profile, Status};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Digest, MessageId, OpeningKey, PartyNumber, ReplyKey, SealingKey, SignedBytes, SigningKey,
    Suite, Unverified, Validity, Verified, VerifyingKey,
};

use crate::recipient::{NOW, service_number, shop_number};

/// What the service does with the next upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    /// It takes it.
    Good,
    /// It takes it, and its answer is lost.
    Deaf,
    /// It refuses it.
    Refuses(Code),
}

pub(crate) struct Books {
    pub(crate) mood: Mood,
    /// Every upload message that came, also again.
    pub(crate) uploads: Vec<Digest>,
    /// Every key that was taken.
    pub(crate) keys: Vec<OrderKey>,
    /// Keys that it made.
    pub(crate) made: Vec<MadeKey>,
    pub(crate) program: Digest,
    pub(crate) number: PartyNumber,
    answered: Vec<MessageId>,
}

pub(crate) struct Service {
    pub(crate) address: String,
    pub(crate) signing: SigningKey,
    pub(crate) opening: OpeningKey,
    pub(crate) register: SigningKey,
    pub(crate) books: Mutex<Books>,
    shop: VerifyingKey,
    shop_opening: SealingKey,
}

impl Service {
    pub(crate) fn start(shop: VerifyingKey, shop_opening: SealingKey) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            signing: SigningKey::from_seed(&[51; 32]),
            opening: OpeningKey::from_seed(Suite::Standard, &[52; 32]),
            register: SigningKey::from_seed(&[53; 32]),
            books: Mutex::new(Books {
                mood: Mood::Good,
                uploads: Vec::new(),
                keys: Vec::new(),
                made: Vec::new(),
                program: program_digest(),
                number: service_number(),
                answered: Vec::new(),
            }),
            shop,
            shop_opening,
        });
        let serving = Arc::clone(&service);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.serve(stream.unwrap());
            }
        });
        service
    }

    pub(crate) fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    pub(crate) fn record(&self) -> Verified<PartyRecord> {
        let record = PartyRecord {
            number: self.books().number,
            keys: PartyKeys {
                spending: None,
                signing: self.signing.verifying_key(),
                opening: self.opening.sealing_key().clone(),
            },
            profile: Some(Profile {
                name: "Seals".to_owned(),
                address: self.address.clone(),
            }),
            valid: Validity::new(NOW.before(60), NOW.after(1_000_000)).unwrap(),
            status: Status::Active,
        };
        let signed = self.register.sign(&record);
        PartyRecord::verify(signed, &self.register.verifying_key()).unwrap()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = match first.starts_with("GET /v1/record ") {
            true => Some(self.record().signed().as_bytes().to_vec()),
            false => self.answer(&body),
        };
        let status = if answer.is_some() {
            "200 OK"
        } else {
            "500 Lost"
        };
        let answer = answer.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        stream
            .write_all(&[head.as_bytes(), &answer].concat())
            .unwrap();
    }

    /// The reply; `None` if it's lost on the way.
    fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        let sealed = Sealed::parse(body).unwrap();
        let (parcel, reply_key) = sealed.open(&self.opening).unwrap();
        assert_eq!(parcel.attached(), Some(&b"the shop's record"[..]));
        let signed = parcel.signed;
        let mood = self.books().mood;
        let label = signed.label().unwrap().0;
        if label == StockInquiry::LABEL {
            return Some(self.reply::<StockInquiry, _>(&signed, &reply_key, self.stock()));
        }
        if label == KeysWanted::LABEL {
            let wanted = self.said::<KeysWanted>(&signed);
            let made = self.made_after(wanted.body.after, 2);
            return Some(self.reply::<KeysWanted, _>(&signed, &reply_key, made));
        }
        self.books().uploads.push(signed.digest());
        if let Mood::Refuses(code) = mood {
            let refusal = Refusal::new(code);
            return Some(self.reply::<StockUpload, _>(&signed, &reply_key, refusal));
        }
        self.take(&signed);
        let reply = self.reply::<StockUpload, _>(&signed, &reply_key, self.stock());
        (mood == Mood::Good).then_some(reply)
    }

    /// Takes an upload, once.
    pub(crate) fn take(&self, signed: &SignedBytes) {
        let upload = self.said::<StockUpload>(signed);
        if self.books().answered.contains(&upload.id) {
            return;
        }
        self.books().answered.push(upload.id);
        for key in &upload.body.keys {
            let key = Unverified::<OrderKey>::parse(key.clone()).unwrap();
            let key = key.verify(&self.shop).unwrap().into_value();
            let known = self.books().keys.iter().any(|other| other.id == key.id);
            assert!(!known, "a key that came before is refused");
            self.books().keys.push(key);
        }
    }

    fn said<B: Body>(&self, signed: &SignedBytes) -> Message<B> {
        let message = Unverified::<Message<B>>::parse(signed.clone()).unwrap();
        message.verify(&self.shop).unwrap().into_value()
    }

    pub(crate) fn made_after(&self, after: u64, most: usize) -> MadeKeys {
        let books = self.books();
        let later = books.made.iter().filter(|made| made.number > after);
        let keys: Vec<MadeKey> = later.clone().take(most).cloned().collect();
        let more = later.count() > keys.len();
        MadeKeys { keys, more }
    }

    fn stock(&self) -> Stock {
        let books = self.books();
        let mut piles: Vec<Pile> = Vec::new();
        for key in &books.keys {
            let (scheme, suite) = (key.scheme, key.part.suite());
            let place = piles
                .iter()
                .position(|p| (p.scheme, p.suite) == (scheme, suite));
            let place = place.unwrap_or_else(|| {
                piles.push(Pile {
                    scheme,
                    suite,
                    left: 0,
                    low: false,
                    fallback_until: None,
                });
                piles.len() - 1
            });
            match key.source {
                KeySource::Regular => piles[place].left += 1,
                KeySource::Fallback => piles[place].fallback_until = Some(key.expires),
            }
            piles[place].low = piles[place].left <= 20;
        }
        Stock {
            piles,
            program: books.program,
        }
    }

    fn reply<Q: Body, R: Body>(
        &self,
        signed: &SignedBytes,
        reply_key: &ReplyKey,
        body: R,
    ) -> Vec<u8> {
        let asked = self.said::<Q>(signed);
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let answer = self.message(Some(signed.digest()), body);
        let parcel = Parcel::new(answer);
        let reply = match asked.enc_digest == Some(reply_key.enc_digest()) {
            true => Reply::exported(reply_key, &parcel, &mut rng),
            false => Reply::Sealed(
                Sealed::seal(shop_number(), &self.shop_opening, &parcel, &mut rng).unwrap(),
            ),
        };
        reply.to_bytes()
    }

    pub(crate) fn message<R: Body>(&self, answers: Option<Digest>, body: R) -> SignedBytes {
        self.signing.sign(&Message {
            from: self.books().number,
            to: shop_number(),
            id: MessageId::from_bytes([1; 16]),
            time: NOW,
            not_after: None,
            enc_digest: None,
            answers,
            body,
        })
    }
}

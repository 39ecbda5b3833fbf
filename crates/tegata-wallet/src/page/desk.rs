//! Who is before the page: nobody known, somebody who came by the one-time link, or the member.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, header};
use tegata_cli::clock;
use tegata_protocol::Time;

use super::{card::seat::Seat, doubt::leaves_doubt, token::Token};
use crate::{
    card_reader::{CardReader, Readers},
    card_trouble::CardTrouble,
    error::WalletError,
    vault::{Password, VaultError},
    wallet::{Access, Wallet},
};

/// How long a session lasts without use: ten minutes.
pub const IDLE_SECONDS: u64 = 600;

/// How long a page waits for a card to be laid on, in seconds.
pub const CARD_WAIT: u16 = 15;

/// The page's state: one wallet, one person.
#[derive(Debug)]
pub struct Desk {
    folder: PathBuf,
    port: u16,
    readers: Arc<dyn Readers>,
    /// Milliseconds since some moment.
    clock: fn() -> u64,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    /// Unused as yet.
    link: Option<Token>,
    /// Who has its cookie may try password A; with `session` it's the session's.
    cookie: Option<Token>,
    /// Stands in every form.
    csrf: Token,
    session: Option<Session>,
}

/// A wallet that password A opened.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) wallet: Wallet,
    /// What lies on the reader between two requests.
    seat: Seat,
    used: u64,
}

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Without the link.
    Outside,
    /// With the link, without password A.
    Door,
}

/// What the page says to a new session: its cookie.
pub(super) struct Cookie(pub(super) String);

impl Desk {
    /// A desk with a fresh one-time link.
    pub fn new(folder: PathBuf, port: u16) -> Self {
        let inside = Inside {
            link: Some(Token::random()),
            cookie: None,
            csrf: Token::random(),
            session: None,
        };
        let reader = CardReader {
            reader: None,
            image: None,
            program: None,
            wait: CARD_WAIT,
        };
        Self {
            folder,
            port,
            readers: Arc::new(reader),
            clock: clock::monotonic_millis,
            inside: Mutex::new(inside),
        }
    }

    /// With other readers than the one that `tegata-card` finds.
    #[must_use]
    pub fn with_readers(mut self, readers: Arc<dyn Readers>) -> Self {
        self.readers = readers;
        self
    }

    /// The address that opens the door, once.
    pub fn link(&self, host: &str) -> String {
        let inside = self.lock();
        let token = inside.link.as_ref().map(Token::text);
        let token = token.unwrap_or_default();
        format!("http://{host}:{}/open/{token}", self.port)
    }

    /// The page's address under one of its names.
    pub(super) fn own_address(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// Uses the link up.
    pub(super) fn use_link(&self, token: &str) -> Option<Cookie> {
        let mut inside = self.lock();
        if !inside.link.as_ref().is_some_and(|link| link.is(token)) {
            return None;
        }
        inside.link = None;
        Some(self.new_cookie(&mut inside))
    }

    /// The token for forms, for those at the door or inside.
    pub(super) fn csrf(&self) -> String {
        self.lock().csrf.text().to_owned()
    }

    /// Is it the token of our forms?
    pub(super) fn is_our_form(&self, csrf: &str) -> bool {
        self.lock().csrf.is(csrf)
    }

    /// Has this visitor come by the link?
    pub(super) fn place(&self, headers: &HeaderMap) -> Place {
        if self.has_cookie(&self.lock(), headers) {
            Place::Door
        } else {
            Place::Outside
        }
    }

    /// Password A: opens the wallet. Cookie and forms' token change with it.
    pub(super) fn open(&self, headers: &HeaderMap, a: &Password) -> Result<Cookie, WalletError> {
        let mut inside = self.lock();
        if !self.has_cookie(&inside, headers) {
            return Err(VaultError::InUse.into());
        }
        inside.session = None;
        let wallet = Wallet::open(&self.folder, Access::Writing, a)?;
        let used = (self.clock)();
        let seat = Seat::default();
        inside.session = Some(Session { wallet, seat, used });
        inside.csrf = Token::random();
        Ok(self.new_cookie(&mut inside))
    }

    /// Lends the open wallet, if there is one and it's this visitor's.
    pub(super) fn with<T>(
        &self,
        headers: &HeaderMap,
        work: impl FnOnce(&mut Wallet, Time) -> Result<T, WalletError>,
    ) -> Result<Result<T, WalletError>, Place> {
        self.with_seat(headers, |wallet, _, now| work(wallet, now))
    }

    /// Lends the wallet together with what lies on the reader.
    pub(super) fn with_seat<T>(
        &self,
        headers: &HeaderMap,
        work: impl FnOnce(&mut Wallet, &mut Seat, Time) -> Result<T, WalletError>,
    ) -> Result<Result<T, WalletError>, Place> {
        let mut inside = self.lock();
        inside.close_if_idle((self.clock)());
        if !self.has_cookie(&inside, headers) {
            return Err(Place::Outside);
        }
        let session = inside.session.as_mut().ok_or(Place::Door)?;
        session.used = (self.clock)();
        session.seat.at(session.used);
        let now = Time::from_secs(clock::now());
        let result = work(&mut session.wallet, &mut session.seat, now);
        if result.as_ref().is_err_and(leaves_doubt) {
            inside.session = None;
        }
        Ok(result)
    }

    /// Opens the reader anew: what lay on it before is over. Nothing is locked while a card is waited
    /// for.
    pub(super) fn open_reader(
        &self,
        headers: &HeaderMap,
    ) -> Result<Result<Box<dyn tegata_card::link::Link + Send>, CardTrouble>, Place> {
        let over = self.with_seat(headers, |_, seat, _| {
            seat.clear();
            Ok(())
        });
        over.map(|_| self.readers.open())
    }

    /// Ends the session; the vault is free for others.
    pub fn close(&self) {
        self.lock().session = None;
    }

    pub(super) fn close_if_idle(&self) {
        self.lock().close_if_idle((self.clock)());
    }

    fn new_cookie(&self, inside: &mut Inside) -> Cookie {
        let token = Token::random();
        let name = self.cookie_name();
        let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Strict", token.text());
        inside.cookie = Some(token);
        Cookie(cookie)
    }

    fn cookie_name(&self) -> String {
        format!("tegata-wallet-{}", self.port)
    }

    fn has_cookie(&self, inside: &Inside, headers: &HeaderMap) -> bool {
        let given = cookie_of(headers, &self.cookie_name());
        matches!((&inside.cookie, given), (Some(token), Some(given)) if token.is(given))
    }

    /// A handler that panicked has left nothing half-done in here.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn close_if_idle(&mut self, now: u64) {
        if let Some(session) = &mut self.session {
            session.seat.at(now);
        }
        let limit = IDLE_SECONDS.saturating_mul(1000);
        let idle = |s: &Session| now.saturating_sub(s.used) > limit;
        if self.session.as_ref().is_some_and(idle) {
            tracing::info!("the session was closed after ten idle minutes");
            self.session = None;
        }
    }
}

/// The cookie of this name, among others that the browser may send.
pub(super) fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut cookies = lines
        .filter_map(|v| v.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    let (_, given) = cookies.find(|(n, _)| *n == name)?;
    Some(given)
}

#[cfg(test)]
mod tests {
    use crate::wallet::rng;

    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn with_cookie(desk: &Desk, token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let name = desk.cookie_name();
        let line = format!("other=1; {name}={token}");
        headers.insert(header::COOKIE, line.parse().unwrap());
        headers
    }

    fn token_of(cookie: &Cookie) -> String {
        let (_, rest) = cookie.0.split_once('=').unwrap();
        rest.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn the_link_opens_the_door_once() {
        let desk = Desk::new(PathBuf::from("/nowhere"), 7405);
        let link = desk.link("wallet.localhost");
        let token = link.rsplit('/').next().unwrap();
        assert!(desk.use_link("00").is_none());
        let cookie = desk.use_link(token).unwrap();
        assert!(cookie.0.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        assert!(desk.use_link(token).is_none(), "only once");
        assert_eq!(desk.place(&HeaderMap::new()), Place::Outside);
        let mine = with_cookie(&desk, &token_of(&cookie));
        assert_eq!(desk.place(&mine), Place::Door);
        assert_eq!(desk.place(&with_cookie(&desk, "")), Place::Outside);
        assert!(matches!(desk.with(&mine, |_, _| Ok(())), Err(Place::Door)));
    }

    #[test]
    fn a_session_ends_after_ten_idle_minutes() {
        static NOW: AtomicU64 = AtomicU64::new(0);
        let wait = |seconds: u64| NOW.fetch_add(seconds * 1000, Ordering::SeqCst);
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::new(folder.path().to_owned(), 7405);
        desk.clock = || NOW.load(Ordering::SeqCst);
        let link = desk.link("wallet.localhost");
        let cookie = desk.use_link(link.rsplit('/').next().unwrap()).unwrap();
        let door = with_cookie(&desk, &token_of(&cookie));
        make_wallet(folder.path());
        let a = Password::typed("password for every day");
        let session = desk.open(&door, &a).unwrap();
        let inside = with_cookie(&desk, &token_of(&session));
        assert_eq!(desk.place(&door), Place::Outside, "the cookie has changed");
        assert!(desk.with(&inside, |_, _| Ok(())).is_ok());
        for _ in 0..2 {
            wait(IDLE_SECONDS - 1);
            let used = desk.with(&inside, |_, _| Ok(()));
            assert!(used.is_ok(), "each use counts anew");
        }
        wait(IDLE_SECONDS + 1);
        let late = desk.with(&inside, |_, _| Ok(()));
        assert!(matches!(late, Err(Place::Door)));
        // The vault is free again.
        Wallet::open(folder.path(), Access::Writing, &a).unwrap();
    }

    fn make_wallet(folder: &std::path::Path) {
        use crate::{joining::NewWallet, state::State, vault};
        let passwords = vault::Passwords::two(
            Password::typed("password for every day"),
            Password::typed("password for spending"),
        );
        let new = NewWallet {
            master: vault::Master::generate(&mut rng(), None),
            passwords: &passwords.unwrap(),
            cost: vault::Cost::new(8, 1, 1).unwrap(),
        };
        let root = tegata_protocol::SigningKey::from_seed(&[1; 32]).verifying_key();
        let number = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Member, 1);
        let number = number.unwrap();
        let state = State::new(number, "http://127.0.0.1:9", root);
        new.make(folder, &state).unwrap();
    }
}

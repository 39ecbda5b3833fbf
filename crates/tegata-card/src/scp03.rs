//! SCP03 (GlobalPlatform Card Specification, Amendment D 1.2), mode S16, AES-256, security level 33:
//! every command and answer is encrypted and has a MAC of 16 bytes; challenges and cryptograms have
//! 16 bytes; the card's challenge is the pseudo-random one, grown from a counter. Nothing is
//! negotiated.
//!
//! ```text
//! host ── INITIALIZE UPDATE: host challenge ────────────────────▶ card
//!      ◀─ card challenge, card cryptogram, counter ──────────────
//!      ── EXTERNAL AUTHENTICATE: host cryptogram, MAC ──────────▶
//!      ══ commands and answers under S-ENC, S-MAC, S-RMAC ═══════
//! ```
//! What comes back without a MAC (a bare error) proves nothing: [`HostChannel::unwrap`] calls it
//! [`InDoubt`], never refused and never done.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

use crate::apdu::{Command, Status, split_answer};
use crate::crypto::{self, BLOCK, Block, KeyBytes};
use crate::keys::{CardKey, KeyVersion, StaticKeys};

/// SCP03, and its options: S16, pseudo-random challenge, MAC and encryption of answers.
pub(crate) const PROTOCOL: [u8; 2] = [0x03, 0x71];

/// The one security level: commands and answers, MAC and encryption.
pub const SECURITY_LEVEL: u8 = 0x33;

/// "Secure messaging" in the class byte.
const SECURE: u8 = 0x04;

/// The most bytes of data that a command can carry: 255 less the MAC, in whole blocks, less one
/// byte of padding.
pub const COMMAND_LIMIT: usize = 223;

/// A challenge of either side.
pub type Challenge = [u8; 16];

/// The derivation constants (Amendment D, table 4-1).
mod constant {
    pub(super) const CARD_CRYPTOGRAM: u8 = 0x00;
    pub(super) const HOST_CRYPTOGRAM: u8 = 0x01;
    pub(super) const CARD_CHALLENGE: u8 = 0x02;
    pub(super) const ENC: u8 = 0x04;
    pub(super) const MAC: u8 = 0x06;
    pub(super) const REPLY_MAC: u8 = 0x07;
}

const fn label(constant: u8) -> [u8; 12] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant]
}

/// The card's challenge for a counter: who knows K-ENC can tell that the counter wasn't altered.
pub(crate) fn card_challenge(keys: &StaticKeys, sequence: [u8; 3], aid: &[u8]) -> Challenge {
    crypto::derive_16(
        &keys.enc,
        label(constant::CARD_CHALLENGE),
        &[&sequence, aid],
    )
}

/// A key to be put on a card, wrapped under K-DEK (Amendment D, 7.2): 32 bytes in CBC without a
/// vector, and the key's check value.
pub(crate) fn wrap_key(keys: &StaticKeys, key: &CardKey) -> Vec<u8> {
    let mut wrapped = crypto::cbc_encrypt(&keys.dek, [0; BLOCK], key.bytes());
    wrapped.extend_from_slice(&key.check_value());
    wrapped
}

/// The key that was wrapped, if its check value says so.
pub(crate) fn unwrap_key(keys: &StaticKeys, version: KeyVersion, data: &[u8]) -> Option<CardKey> {
    let (wrapped, check) = data.split_last_chunk::<3>()?;
    let plain = crypto::cbc_decrypt(&keys.dek, [0; BLOCK], wrapped);
    let bytes = <[u8; 32]>::try_from(plain.as_slice()).ok()?;
    let key = CardKey::from_parts(version, bytes);
    (wrapped.len() == plain.len() && key.check_value() == *check).then_some(key)
}

/// What both sides know once the challenges are exchanged.
pub(crate) struct Handshake {
    enc: KeyBytes,
    mac: KeyBytes,
    reply_mac: KeyBytes,
    card_cryptogram: Block,
    host_cryptogram: Block,
}

impl Handshake {
    pub(crate) fn new(keys: &StaticKeys, host: &Challenge, card: &Challenge) -> Self {
        let key = |key, constant| crypto::derive_32(key, label(constant), &[host, card]);
        let mac = key(&keys.mac, constant::MAC);
        let cryptogram = |constant| crypto::derive_16(&mac, label(constant), &[host, card]);
        Self {
            enc: key(&keys.enc, constant::ENC),
            reply_mac: key(&keys.mac, constant::REPLY_MAC),
            card_cryptogram: cryptogram(constant::CARD_CRYPTOGRAM),
            host_cryptogram: cryptogram(constant::HOST_CRYPTOGRAM),
            mac,
        }
    }

    pub(crate) const fn card_cryptogram(&self) -> &Block {
        &self.card_cryptogram
    }

    /// The host's end: is it the card? Then EXTERNAL AUTHENTICATE and the channel behind it.
    pub(crate) fn into_host(self, card_cryptogram: &[u8]) -> Option<(Command, HostChannel)> {
        if !crypto::same(&self.card_cryptogram, card_cryptogram) {
            return None;
        }
        let mut channel = Channel::new(self.enc, self.mac, self.reply_mac);
        let mut command = Command::new(0x80, 0x82, SECURITY_LEVEL, 0, &self.host_cryptogram);
        channel.protect(&mut command);
        Some((command, HostChannel(channel)))
    }

    /// The card's end: is EXTERNAL AUTHENTICATE the host's?
    pub(crate) fn into_card(self, command: &Command) -> Option<CardChannel> {
        let mut channel = Channel::new(self.enc, self.mac, self.reply_mac);
        let cryptogram = channel.verified(command)?;
        let level = [command.cla, command.ins, command.p1, command.p2];
        (level == [0x84, 0x82, SECURITY_LEVEL, 0]
            && crypto::same(&self.host_cryptogram, cryptogram))
        .then_some(CardChannel(channel))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake(…)")
    }
}

/// Session keys, the MAC chain and the counter of commands.
struct Channel {
    enc: KeyBytes,
    mac: KeyBytes,
    reply_mac: KeyBytes,
    chaining: Block,
    counter: u32,
}

impl Channel {
    const fn new(enc: KeyBytes, mac: KeyBytes, reply_mac: KeyBytes) -> Self {
        Self {
            enc,
            mac,
            reply_mac,
            chaining: [0; BLOCK],
            counter: 0,
        }
    }

    /// Adds class bit and MAC to a command whose data are as they shall travel.
    fn protect(&mut self, command: &mut Command) {
        command.cla |= SECURE;
        self.chaining = self.command_mac(command, &command.data);
        command.data.extend_from_slice(&self.chaining);
    }

    /// The data of a command whose MAC is right; the chain moves on only then.
    fn verified<'c>(&mut self, command: &'c Command) -> Option<&'c [u8]> {
        let (data, mac) = command.data.split_last_chunk::<BLOCK>()?;
        let expected = self.command_mac(command, data);
        if command.cla & SECURE == 0 || !crypto::same(&expected, mac) {
            return None;
        }
        self.chaining = expected;
        Some(data)
    }

    fn command_mac(&self, command: &Command, data: &[u8]) -> Block {
        // At most 255: whoever sends or parsed it saw to that.
        let length = u8::try_from(data.len().saturating_add(BLOCK)).unwrap_or(u8::MAX);
        let header = command.header();
        crypto::mac(&self.mac, &[&self.chaining, &header, &[length], data])
    }

    fn answer_mac(&self, data: &[u8], status: Status) -> Block {
        crypto::mac(&self.reply_mac, &[&self.chaining, data, &status.wire()])
    }

    /// The initial vector of this command's or of its answer's encryption.
    fn vector(&self, first: u8) -> Block {
        let mut block = [0; BLOCK];
        if let Some(end) = block.last_chunk_mut::<4>() {
            *end = self.counter.to_be_bytes();
        }
        if let Some(begin) = block.first_mut() {
            *begin = first;
        }
        crypto::encrypt_block(&self.enc, block)
    }

    /// Every command has a number, encrypted or not. `None` after four thousand million.
    fn count(&mut self) -> Option<()> {
        self.counter = self.counter.checked_add(1)?;
        Some(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.chaining.zeroize();
    }
}

/// The card's end of a session.
pub(crate) struct CardChannel(Channel);

impl CardChannel {
    /// The command in clear, class bit off. `None` if it isn't the session's next: the session is over.
    pub(crate) fn unwrap(&mut self, command: &Command) -> Option<Command> {
        self.0.count()?;
        let data = self.0.verified(command)?;
        let plain = if data.is_empty() {
            Zeroizing::new(Vec::new())
        } else if data.len().is_multiple_of(BLOCK) {
            let padded = crypto::cbc_decrypt(&self.0.enc, self.0.vector(0), data);
            Zeroizing::new(crypto::unpad(&padded)?.to_vec())
        } else {
            return None;
        };
        let [cla, ins, p1, p2] = command.header();
        Some(Command::new(cla & !SECURE, ins, p1, p2, &plain))
    }

    /// The answer as it travels. Errors go bare, as SCP03 has it, and without data.
    pub(crate) fn wrap(&self, data: &[u8], status: Status) -> Vec<u8> {
        if !status.is_protected() {
            return status.wire().to_vec();
        }
        let mut answer = if data.is_empty() {
            Vec::new()
        } else {
            crypto::cbc_encrypt(&self.0.enc, self.0.vector(0x80), &crypto::pad(data))
        };
        let mac = self.0.answer_mac(&answer, status);
        answer.extend_from_slice(&mac);
        answer.extend_from_slice(&status.wire());
        answer
    }
}

impl fmt::Debug for CardChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardChannel(…)")
    }
}

/// What came back proves nothing: the command may have been carried out or not. The session is over;
/// a new one finds out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the card's answer isn't authentic (status {0:?}): whether it did as told is in doubt")]
pub struct InDoubt(
    /// The bare status, for the log only: anybody on the way may have made it.
    pub Option<Status>,
);

/// The host's end of a session.
pub(crate) struct HostChannel(Channel);

impl HostChannel {
    /// The command as it travels. `None` if it can't be sent: too long, or too many before it.
    pub(crate) fn wrap(&mut self, command: &Command) -> Option<Vec<u8>> {
        if command.data.len() > COMMAND_LIMIT {
            return None;
        }
        self.0.count()?;
        let data = if command.data.is_empty() {
            Vec::new()
        } else {
            crypto::cbc_encrypt(&self.0.enc, self.0.vector(0), &crypto::pad(&command.data))
        };
        let [cla, ins, p1, p2] = command.header();
        let mut wrapped = Command::new(cla, ins, p1, p2, &data);
        self.0.protect(&mut wrapped);
        wrapped.to_bytes()
    }

    /// The answer in clear with its status, which is 9000, 62xx or 63xx.
    pub(crate) fn unwrap(&self, answer: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Status), InDoubt> {
        let (body, status) = split_answer(answer).ok_or(InDoubt(None))?;
        let doubt = InDoubt(Some(status));
        let (sealed, mac) = body.split_last_chunk::<BLOCK>().ok_or(doubt)?;
        let expected = self.0.answer_mac(sealed, status);
        if !status.is_protected() || !crypto::same(&expected, mac) {
            return Err(doubt);
        }
        if sealed.is_empty() {
            return Ok((Zeroizing::new(Vec::new()), status));
        }
        if !sealed.len().is_multiple_of(BLOCK) {
            return Err(doubt);
        }
        let padded = crypto::cbc_decrypt(&self.0.enc, self.0.vector(0x80), sealed);
        let plain = crypto::unpad(&padded).ok_or(doubt)?.to_vec();
        Ok((Zeroizing::new(plain), status))
    }
}

impl fmt::Debug for HostChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostChannel(…)")
    }
}

#[cfg(test)]
mod tests {
    //! `spec/vectors/scp03-s16-aes256.json`: sessions computed with an implementation that isn't ours.

    use serde_json::Value;

    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let text = value.as_str().unwrap();
        let pairs = (0..text.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn array<const N: usize>(value: &Value) -> [u8; N] {
        bytes(value).try_into().unwrap()
    }

    fn sets() -> Vec<Value> {
        let file = include_str!("../../../spec/vectors/scp03-s16-aes256.json");
        let value: Value = serde_json::from_str(file).unwrap();
        value["sets"].as_array().unwrap().clone()
    }

    fn handshake(set: &Value) -> Handshake {
        let keys = StaticKeys {
            enc: Zeroizing::new(array(&set["key_enc"])),
            mac: Zeroizing::new(array(&set["key_mac"])),
            dek: Zeroizing::new(array(&set["key_dek"])),
        };
        let challenge = |name: &str| array(&set[name]);
        Handshake::new(
            &keys,
            &challenge("host_challenge"),
            &challenge("card_challenge"),
        )
    }

    #[test]
    fn keys_and_cryptograms_are_the_vectors() {
        for set in sets() {
            let shaken = handshake(&set);
            assert_eq!(*shaken.enc, array(&set["s_enc"]));
            assert_eq!(*shaken.mac, array(&set["s_mac"]));
            assert_eq!(*shaken.reply_mac, array(&set["s_rmac"]));
            assert_eq!(shaken.card_cryptogram, array(&set["card_cryptogram"]));
            assert_eq!(shaken.host_cryptogram, array(&set["host_cryptogram"]));
        }
    }

    #[test]
    fn whole_sessions_are_the_vectors_from_both_ends() {
        let mut exchanged = 0;
        for set in sets() {
            let cryptogram = bytes(&set["card_cryptogram"]);
            let (command, mut host) = handshake(&set).into_host(&cryptogram).unwrap();
            let mut wire = command.to_bytes().unwrap();
            // The vectors send it without Le.
            wire.pop();
            assert_eq!(wire, bytes(&set["external_authenticate"]));
            let mut card = handshake(&set).into_card(&command).unwrap();
            for exchange in set["exchanges"].as_array().unwrap() {
                let plain = Command::parse(&bytes(&exchange["command"])).unwrap();
                let wrapped = host.wrap(&plain).unwrap();
                assert_eq!(wrapped, bytes(&exchange["wrapped_command"]));
                let arrived = Command::parse(&wrapped).unwrap();
                assert_eq!(card.unwrap(&arrived).unwrap(), plain);
                let answer = bytes(&exchange["response"]);
                let (data, status) = split_answer(&answer).unwrap();
                let wrapped = card.wrap(data, status);
                assert_eq!(wrapped, bytes(&exchange["wrapped_response"]));
                let (back, said) = host.unwrap(&wrapped).unwrap();
                assert_eq!((back.as_slice(), said), (data, status));
                exchanged += 1;
            }
        }
        assert_eq!(exchanged, 18);
    }

    #[test]
    fn every_altered_bit_and_every_bare_word_is_in_doubt() {
        let set = &sets()[0];
        let cryptogram = bytes(&set["card_cryptogram"]);
        let (_, mut host) = handshake(set).into_host(&cryptogram).unwrap();
        let exchange = &set["exchanges"][1];
        host.wrap(&Command::parse(&bytes(&set["exchanges"][0]["command"])).unwrap())
            .unwrap();
        host.wrap(&Command::parse(&bytes(&exchange["command"])).unwrap())
            .unwrap();
        let good = bytes(&exchange["wrapped_response"]);
        assert!(host.unwrap(&good).is_ok());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(host.unwrap(&bad).is_err(), "bit {bit}");
        }
        for bare in [
            &[][..],
            &[0x90],
            &[0x90, 0x00],
            &[0x63, 0x11],
            &[0x69, 0x85],
        ] {
            assert!(host.unwrap(bare).is_err(), "{bare:02x?}");
        }
    }

    #[test]
    fn a_command_of_before_or_with_an_altered_bit_ends_the_cards_session() {
        let set = &sets()[0];
        let cryptogram = bytes(&set["card_cryptogram"]);
        let (open, mut host) = handshake(set).into_host(&cryptogram).unwrap();
        let wire = host
            .wrap(&Command::new(0x80, 0xd0, 0, 0, &[7; 40]))
            .unwrap();
        let good = Command::parse(&wire).unwrap();
        let mut card = handshake(set).into_card(&open).unwrap();
        assert!(card.unwrap(&good).is_some());
        assert!(card.unwrap(&good).is_none(), "once only");
        for bit in 0..good.data.len() * 8 {
            let mut bad = good.clone();
            bad.data[bit / 8] ^= 1 << (bit % 8);
            let mut card = handshake(set).into_card(&open).unwrap();
            assert!(card.unwrap(&bad).is_none(), "bit {bit}");
        }
    }
}

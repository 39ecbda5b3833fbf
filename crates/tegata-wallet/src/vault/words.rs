//! The master as 24 English words (BIP-39), out and in.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use super::secret::Secret32;

const COUNT: usize = 24;
/// No word of the list is longer.
const LONGEST_WORD: usize = 8;

/// The 24 words that restore everything. Whoever reads them has the money.
///
/// ```compile_fail,E0277
/// fn show(words: &tegata_wallet::vault::Words) {
///     println!("{words}");
/// }
/// ```
pub struct Words(Zeroizing<String>);

impl Words {
    /// The words, with a space between each, to be written down on paper.
    pub fn as_phrase(&self) -> &str {
        &self.0
    }

    /// The words one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(…)")
    }
}

pub(super) fn spell(master: &Secret32) -> Words {
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are one of BIP-39's five lengths"
    )]
    let mnemonic =
        Mnemonic::from_entropy_in(Language::English, master.as_bytes()).expect("words of 32 bytes");
    let mut phrase = Zeroizing::new(String::with_capacity(COUNT * (LONGEST_WORD + 1)));
    for word in mnemonic.words() {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    Words(phrase)
}

/// Reads words as people type them: any case, any spacing, numbers before them allowed.
pub(super) fn entropy(typed: &str) -> Result<Secret32, WordsError> {
    let mut phrase = Zeroizing::new(String::with_capacity(typed.len() + COUNT));
    let mut count = 0;
    for word in typed.split_whitespace().filter(|w| !is_number(w)) {
        count += 1;
        let start = phrase.len();
        phrase.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        check_word(count, &phrase[start..])?;
        phrase.push(' ');
    }
    if count != COUNT {
        return Err(WordsError::Count { count });
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, phrase.trim_end())
        .map_err(|_only_the_checksum_is_left| WordsError::Checksum)?;
    let (mut entropy, _) = mnemonic.to_entropy_array();
    let mut master = Secret32::zeroed();
    master.as_mut().copy_from_slice(&entropy[..32]);
    entropy.zeroize();
    Ok(master)
}

/// `7.` or `7`, as in a numbered list.
fn is_number(word: &str) -> bool {
    word.trim_end_matches(['.', ')', ':'])
        .bytes()
        .all(|b| b.is_ascii_digit())
}

fn check_word(position: usize, word: &str) -> Result<(), WordsError> {
    if Language::English.find_word(word).is_some() {
        return Ok(());
    }
    Err(WordsError::Unknown {
        position,
        nearest: nearest(word),
    })
}

/// The word of the list with the fewest edits; of several, the one with the longest common start.
fn nearest(word: &str) -> &'static str {
    let cut: String = word.chars().take(2 * LONGEST_WORD).collect();
    let list = Language::English.word_list();
    list.iter()
        .min_by_key(|known| (edits(&cut, known), usize::MAX - common_start(&cut, known)))
        .copied()
        .unwrap_or_default()
}

fn common_start(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Insertions, deletions, replacements, and swaps of neighbours, between two short words.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let moved = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            let mut least = replaced.min(moved);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

/// What is wrong with typed words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not 24 of them.
    #[error("{count} words where {COUNT} are needed; check whether one is missing or doubled")]
    Count {
        /// Words found.
        count: usize,
    },
    /// A word isn't in the list. It isn't repeated here: it may be a secret of another kind.
    #[error("word {position} isn't one of the list's; did you mean \"{nearest}\"?")]
    Unknown {
        /// Which word, from 1.
        position: usize,
        /// The nearest word of the list.
        nearest: &'static str,
    },
    /// Every word is known, together they aren't what was given out.
    #[error(
        "every word is known, but together they fail their checksum: a word was taken for \
         another, or two changed places; compare them with your paper"
    )]
    Checksum,
}

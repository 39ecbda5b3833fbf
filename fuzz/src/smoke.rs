//! Runs targets without a fuzzer: each over its seeds, then over what bytes changed at random make of
//! them. It finds what a fuzzer finds in its first seconds, and shows that no target has rotted.

use std::panic::catch_unwind;
use std::path::Path;
use std::{fs, io};

use crate::Target;

/// The most bytes of an input.
const LONGEST: usize = 64 * 1024;

/// What was run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many seeds there were.
    pub seeds: usize,
    /// How many inputs in all.
    pub inputs: usize,
}

/// Runs a target over the seeds in a folder and over `rounds` changes of them.
///
/// # Errors
/// The input at which the target panicked, or why the seeds can't be read.
pub fn run(target: Target, seeds: &Path, rounds: usize) -> Result<Run, Stopped> {
    let seeds = read_all(seeds).map_err(Stopped::Unreadable)?;
    let mut inputs = 0;
    let mut take = |input: Vec<u8>| {
        inputs += 1;
        catch_unwind(|| target(&input)).map_err(|_panic| Stopped::Found(input))
    };
    for seed in &seeds {
        take(seed.clone())?;
    }
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        take(changed(&seeds, &mut chance))?;
    }
    Ok(Run {
        seeds: seeds.len(),
        inputs,
    })
}

/// Why a run ended before its end.
#[derive(Debug)]
pub enum Stopped {
    /// The target panicked at this.
    Found(Vec<u8>),
    /// There are no seeds.
    Unreadable(io::Error),
}

/// All files of a folder, in the order of their names.
fn read_all(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// A seed with a few places changed, taken out, doubled, or put in from another seed.
fn changed(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = chance.one_of(seeds).cloned().unwrap_or_default();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = bytes.len().min(at + chance.below(17));
        match chance.below(6) {
            0 | 1 if at < bytes.len() => bytes[at] = chance.byte(),
            2 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = chance.one_of(seeds).cloned().unwrap_or_default();
                let from = chance.below(other.len() + 1);
                let to = other.len().min(from + chance.below(65));
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Numbers by which inputs are changed, the same in each run: xorshift64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is above nothing.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[3]
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            return None;
        }
        all.get(self.below(all.len()))
    }
}

//! A disk in memory whose power can be cut at every step, and that then shows every state in which
//! a real one may wake up.
//!
//! What wasn't synced may be there, in part, as zeros, or not at all; names and contents settle
//! independently of each other. After a sync that failed, what it should have saved is not saved
//! by a later one either (Linux drops such pages), unless it is cut off and written anew.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

use tegata_keystore::vault::{Disk, FileName};

/// How much of the fatal step still happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Nothing,
    Half,
    All,
}

pub(crate) const PARTS: [Part; 3] = [Part::Nothing, Part::Half, Part::All];

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes: this step and all later ones fail.
    Cut,
    /// The step fails, later ones work again.
    Error,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) step: usize,
    pub(crate) part: Part,
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone)]
enum Change {
    Cut(usize),
    Write { at: usize, bytes: Vec<u8> },
}

#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    /// A sync failed while this was waiting.
    lost: bool,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    settled: Vec<u8>,
    pending: Vec<Pending>,
}

type Names = BTreeMap<FileName, usize>;

#[derive(Debug, Clone, Copy)]
enum NameChange {
    Made(FileName, usize),
    Renamed(FileName, FileName),
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    settled_names: Names,
    pending_names: Vec<NameChange>,
    steps: usize,
    plan: Option<Plan>,
    dead: bool,
}

#[derive(Debug, Default)]
pub(crate) struct ModelDisk(Mutex<State>);

impl ModelDisk {
    /// A disk where these files were written and synced long ago.
    pub(crate) fn holding(files: &BTreeMap<FileName, Vec<u8>>) -> Self {
        let mut state = State::default();
        for (name, bytes) in files {
            state.names.insert(*name, state.inodes.len());
            state.inodes.push(Inode {
                settled: bytes.clone(),
                pending: Vec::new(),
            });
        }
        state.settled_names = state.names.clone();
        Self(Mutex::new(state))
    }

    pub(crate) fn plan(&self, plan: Option<Plan>) {
        let mut state = self.state();
        state.plan = plan;
        state.steps = 0;
    }

    /// Steps since the last plan.
    pub(crate) fn steps(&self) -> usize {
        self.state().steps
    }

    /// What is there now, with the power on.
    pub(crate) fn files(&self) -> BTreeMap<FileName, Vec<u8>> {
        let state = self.state();
        let contents = |inode: &usize| state.inodes[*inode].now();
        state.names.iter().map(|(n, i)| (*n, contents(i))).collect()
    }

    /// Every state that may be there after the power comes back.
    pub(crate) fn after_power_cut(&self) -> Vec<BTreeMap<FileName, Vec<u8>>> {
        let state = self.state();
        let mut all = Vec::new();
        for names in state.possible_names() {
            let mut worlds = vec![BTreeMap::new()];
            for (name, inode) in &names {
                let possible = state.inodes[*inode].possible();
                worlds = worlds
                    .iter()
                    .flat_map(|w| {
                        possible.iter().map(|contents| {
                            let mut world: BTreeMap<_, _> = w.clone();
                            world.insert(*name, contents.clone());
                            world
                        })
                    })
                    .collect();
            }
            all.append(&mut worlds);
        }
        all.sort();
        all.dedup();
        all
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Inode {
    fn now(&self) -> Vec<u8> {
        self.pending.iter().fold(self.settled.clone(), |mut c, p| {
            p.change.apply(&mut c);
            c
        })
    }

    fn possible(&self) -> Vec<Vec<u8>> {
        let mut all = vec![self.settled.clone()];
        let mut contents = self.settled.clone();
        for pending in &self.pending {
            all.extend(pending.change.torn(&contents));
            pending.change.apply(&mut contents);
            all.push(contents.clone());
        }
        all.sort();
        all.dedup();
        all
    }

    fn sync(&mut self) {
        if self.has_lost_bytes() {
            return;
        }
        self.settled = self.now();
        self.pending.clear();
    }

    /// Whether something lost wasn't cut off since.
    fn has_lost_bytes(&self) -> bool {
        let cut_to = |from: usize| {
            let later = self.pending[from..].iter().filter_map(|p| match p.change {
                Change::Cut(length) => Some(length),
                Change::Write { .. } => None,
            });
            later.min().unwrap_or(usize::MAX)
        };
        self.pending
            .iter()
            .enumerate()
            .any(|(i, p)| match &p.change {
                Change::Write { at, .. } => p.lost && cut_to(i) > *at,
                Change::Cut(length) => p.lost && cut_to(i + 1) > *length,
            })
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Cut(length) => contents.truncate(*length),
            Self::Write { at, bytes } => {
                contents.resize((*at + bytes.len()).max(contents.len()), 0);
                contents[*at..*at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// States in the middle of a write: cut at several lengths, or grown with zeros.
    fn torn(&self, before: &[u8]) -> Vec<Vec<u8>> {
        let Self::Write { at, bytes } = self else {
            return Vec::new();
        };
        let n = bytes.len();
        let cuts = [1, 4, 7, 8, 9, 20, n / 4, n / 2, n.saturating_sub(1)];
        let mut states = Vec::new();
        for length in cuts.into_iter().filter(|l| *l < n) {
            let (there, missing) = bytes.split_at(length);
            let zeros_after = [there, &vec![0; missing.len()]].concat();
            let zeros_before = [&vec![0; there.len()], missing].concat();
            for bytes in [there.to_vec(), zeros_after, zeros_before] {
                let mut contents = before.to_vec();
                Self::Write { at: *at, bytes }.apply(&mut contents);
                states.push(contents);
            }
        }
        states
    }
}

impl NameChange {
    fn apply(self, names: &mut Names) {
        match self {
            Self::Made(name, inode) => {
                names.insert(name, inode);
            }
            Self::Renamed(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
        }
    }
}

impl State {
    fn possible_names(&self) -> Vec<Names> {
        let mut names = self.settled_names.clone();
        let mut all = vec![names.clone()];
        for change in &self.pending_names {
            change.apply(&mut names);
            all.push(names.clone());
        }
        all
    }

    /// Counts a step that changes something, and says how much of it happens.
    fn step(&mut self) -> io::Result<Part> {
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        let step = self.steps;
        self.steps += 1;
        match self.plan {
            Some(plan) if plan.step == step => {
                self.dead = plan.fault == Fault::Cut;
                Ok(plan.part)
            }
            Some(_) | None => Ok(Part::All),
        }
    }

    /// How the step ends that was counted last.
    fn end(&self) -> io::Result<()> {
        match self.plan {
            Some(plan) if plan.step + 1 == self.steps => Err(io::Error::other("no such luck")),
            Some(_) | None => Ok(()),
        }
    }

    fn inode(&mut self, file: FileName) -> io::Result<&mut Inode> {
        match self.names.get(&file) {
            Some(inode) => Ok(&mut self.inodes[*inode]),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn pend(&mut self, file: FileName, change: Change) -> io::Result<()> {
        let lost = false;
        self.inode(file)?.pending.push(Pending { change, lost });
        Ok(())
    }
}

fn part_of(bytes: &[u8], part: Part) -> Vec<u8> {
    match part {
        Part::Nothing => Vec::new(),
        Part::Half => bytes[..bytes.len() / 2].to_vec(),
        Part::All => bytes.to_vec(),
    }
}

impl Disk for ModelDisk {
    fn read(&self, file: FileName) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        match state.inode(file) {
            Ok(inode) => Ok(Some(inode.now())),
            Err(_) => Ok(None),
        }
    }

    fn length(&self, file: FileName) -> io::Result<Option<u64>> {
        Ok(self.read(file)?.map(|bytes| bytes.len() as u64))
    }

    fn write(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let part = state.step()?;
        if part != Part::Nothing {
            if state.inode(file).is_err() {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.change_names(NameChange::Made(file, inode));
            }
            state.pend(file, Change::Cut(0))?;
            let bytes = part_of(bytes, part);
            state.pend(file, Change::Write { at: 0, bytes })?;
        }
        state.end()
    }

    fn append(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let part = state.step()?;
        let at = state.inode(file)?.now().len();
        let bytes = part_of(bytes, part);
        state.pend(file, Change::Write { at, bytes })?;
        state.end()
    }

    fn cut(&self, file: FileName, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? != Part::Nothing {
            state.pend(file, Change::Cut(length as usize))?;
        }
        state.end()
    }

    fn sync(&self, file: FileName) -> io::Result<()> {
        let mut state = self.state();
        let part = state.step()?;
        let inode = state.inode(file)?;
        if part == Part::All {
            inode.sync();
        } else {
            inode.pending.iter_mut().for_each(|p| p.lost = true);
        }
        state.end()
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? != Part::Nothing {
            state.inode(from)?;
            state.change_names(NameChange::Renamed(from, to));
        }
        state.end()
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.step()? == Part::All {
            state.settled_names = state.names.clone();
            state.pending_names.clear();
        }
        state.end()
    }
}

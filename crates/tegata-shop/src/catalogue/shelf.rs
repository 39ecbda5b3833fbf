//! The catalogue in force, and how a changed file takes its place.
//!
//! A file that can't be used changes nothing: the old catalogue stays on sale, and the mistake
//! stands in the log and on the owner's page until the file is right.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::Catalogue;

/// What is known of the file without reading it.
type Stamp = Option<(SystemTime, u64)>;

/// The catalogue in force.
#[derive(Debug)]
pub struct Shelf {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    catalogue: Arc<Catalogue>,
    mistake: Option<String>,
    stamp: Stamp,
}

impl Shelf {
    /// A shelf with the catalogue that was read from `file`.
    pub fn new(file: &Path, catalogue: Arc<Catalogue>) -> Self {
        let state = State {
            catalogue,
            mistake: None,
            stamp: stamp(file),
        };
        Self {
            file: file.to_owned(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The catalogue in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.state().catalogue)
    }

    /// Why the file isn't in force, if it isn't.
    pub fn mistake(&self) -> Option<String> {
        self.state().mistake.clone()
    }

    /// Has the file changed since it was last looked at?
    pub fn has_changed(&self) -> bool {
        let now = stamp(&self.file);
        let mut state = self.state();
        let changed = state.stamp != now;
        state.stamp = now;
        changed
    }

    /// Puts a new catalogue in force.
    pub fn replace(&self, catalogue: Arc<Catalogue>) {
        let mut state = self.state();
        state.catalogue = catalogue;
        state.mistake = None;
    }

    /// Keeps the old one, and says why.
    pub fn keep(&self, mistake: String) {
        self.state().mistake = Some(mistake);
    }
}

fn stamp(file: &Path) -> Stamp {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

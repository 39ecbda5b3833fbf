//! Programs of the town: run to their end, or kept running and ended by their own id.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// How long a server may take to start, and to stop when told.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(20);

/// Where the programs are: beside this one, where cargo puts them.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    ending: Ending,
    /// What the programs find in their environment besides: the way to the card service.
    pub environment: Vec<(String, OsString)>,
}

/// Told once that the town is to end; from then on no program is started.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Tells it.
    pub fn tell(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Was it told?
    pub fn is_told(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Programs {
    /// The folder of the running program, with the whole town's programs in it.
    ///
    /// # Errors
    /// When one of the programs isn't there.
    pub fn beside_this_one(ending: Ending) -> anyhow::Result<Self> {
        let town = [
            "tegata-centre",
            "tegata-guard",
            "tegata-shop",
            "tegata-wallet",
            "tegata-gate",
            "tegata-sealing",
            "tegata-card-keys",
            "tegata-card",
        ];
        let programs = Self::holding(&town, "cargo demo")?;
        Ok(Self { ending, ..programs })
    }

    /// A folder with the programs in it.
    pub fn within(folder: PathBuf) -> Self {
        Self {
            folder,
            ending: Ending::default(),
            environment: Vec::new(),
        }
    }

    /// The folder of the running program, with these programs in it. `command` builds them.
    ///
    /// # Errors
    /// When one of them isn't there.
    pub fn holding(names: &[&str], command: &str) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("finding this program")?;
        let folder = own
            .parent()
            .context("finding this program's folder")?
            .to_owned();
        let programs = Self {
            folder,
            ending: Ending::default(),
            environment: Vec::new(),
        };
        for name in names {
            let path = programs.path(name);
            if !path.exists() {
                bail!("{} isn't built; run: {command}", path.display());
            }
        }
        Ok(programs)
    }

    /// Where a program is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.ending.is_told() {
            bail!("the town is ending");
        }
        Ok(())
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// Only when it can't be run; what it answers stands in [`Ended`].
    pub fn run(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
        self.check()?;
        let mut command = Command::new(self.path(name));
        command.args(arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().cloned());
        let output = command
            .output()
            .with_context(|| format!("running {name}"))?;
        Ok(Ended {
            name: format!("{name} {}", arguments.first().copied().unwrap_or_default()),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a server, its log going to a file.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(&self, name: &str, arguments: &[&str], log: &Path) -> anyhow::Result<Server> {
        self.check()?;
        let log = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let mut command = Command::new(self.path(name));
        command
            .args(arguments.iter().map(OsString::from))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Server {
            name: name.to_owned(),
            child,
        })
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    name: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said of itself.
    pub stderr: String,
}

impl Ended {
    /// Its output, if it did what it was asked.
    ///
    /// # Errors
    /// With what it said, if it didn't.
    pub fn done(self) -> anyhow::Result<String> {
        if self.code == Some(0) {
            return Ok(self.stdout);
        }
        bail!(
            "{} ended with {:?}: {}{}",
            self.name,
            self.code,
            self.stdout,
            self.stderr
        )
    }

    /// The last JSON value that it printed, if it did what it was asked.
    ///
    /// # Errors
    /// As [`Ended::done`], or when there's no JSON.
    pub fn json(self) -> anyhow::Result<Value> {
        let name = self.name.clone();
        let text = self.done()?;
        json_in(&text).with_context(|| format!("{name} printed no JSON: {text}"))
    }

    /// What it said when it refused: exit code 1 and this word somewhere in its answer.
    ///
    /// # Errors
    /// When it did something else.
    pub fn refused_with(self, word: &str) -> anyhow::Result<String> {
        let said = format!("{}{}", self.stdout, self.stderr);
        if self.code == Some(1) && said.contains(word) {
            return Ok(said);
        }
        bail!(
            "{} should have refused with {word}, but ended with {:?}: {said}",
            self.name,
            self.code
        )
    }
}

/// The whole text as JSON, else its last line that is.
fn json_in(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text.trim()).ok();
    whole.or_else(|| {
        text.lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
    })
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
}

impl Server {
    /// The program that runs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the server has ended, or takes too long.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            if let Some(found) = ready() {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start: {status}", self.name);
            }
            pause(STEP);
            waited += STEP;
        }
        bail!("{} isn't ready after {PATIENCE:?}", self.name)
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let told = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        let mut waited = Duration::ZERO;
        while told.is_some_and(|t| t.is_ok()) && waited < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(STEP);
            waited += STEP;
        }
        // It doesn't listen: no way but this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits a moment: this program only looks on while others work.
pub(crate) fn pause(span: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the demonstration waits for real processes"
    )]
    thread::sleep(span);
}

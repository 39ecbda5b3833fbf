//! A headless Chromium, if there's one on this machine: it plays a customer who fills in a form.
//!
//! It's driven by the DevTools protocol over its pipe, so nothing but Chromium is needed. A shell
//! puts the pipe where Chromium wants it (descriptors 3 and 4).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::processes::pause;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Moves the pipe from standard input and output to where Chromium looks for it.
const PIPED: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// A browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    page: String,
    others: Vec<String>,
    calls: u64,
    _profile: tempfile::TempDir,
}

/// Where a script runs: a session, and a world of its own in one frame.
#[derive(Clone, Debug)]
pub struct Frame {
    session: String,
    context: u64,
}

/// Where Chromium is, if it's on this machine.
pub fn installed() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TEGATA_CHROMIUM") {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |f| f.join(name)));
    places.into_iter().find(|place| place.is_file())
}

impl Chromium {
    /// Starts it.
    ///
    /// # Errors
    /// When it doesn't start or answer.
    pub fn start(program: &std::path::Path) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut child = Command::new("sh")
            .args(["-c", PIPED])
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-first-run",
            ])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-sandbox"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting Chromium")?;
        let input = child.stdin.take().context("Chromium's pipe")?;
        let output = child.stdout.take().context("Chromium's pipe")?;
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let read = serde_json::from_slice(&message);
                if read.is_ok_and(|message: Value| sender.send(message).is_err()) {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            output: receiver,
            page: String::new(),
            others: Vec::new(),
            calls: 0,
            _profile: profile,
        };
        let target = browser.call("", "Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("", "Target.attachToTarget", attach)?;
        browser.page = text(&session["sessionId"])?;
        let page = browser.page.clone();
        let follow = json!({"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true});
        browser.call(&page, "Target.setAutoAttach", follow)?;
        browser.call(&page, "Page.enable", json!({}))?;
        Ok(browser)
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When it can't be reached.
    pub fn go(&mut self, address: &str) -> anyhow::Result<()> {
        let page = self.page.clone();
        let gone = self.call(&page, "Page.navigate", json!({ "url": address }))?;
        ensure!(
            gone["errorText"].is_null(),
            "{address}: {}",
            gone["errorText"]
        );
        Ok(())
    }

    /// Waits until a script gives something true in the frame whose address holds `part`; gives it.
    ///
    /// # Errors
    /// When that takes more than half a minute.
    pub fn wait(&mut self, part: &str, script: &str) -> anyhow::Result<Value> {
        for _ in 0..300 {
            let value = match self.frame(part)? {
                Some(frame) => self.run(&frame, script).unwrap_or(Value::Null),
                None => Value::Null,
            };
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return Ok(value);
            }
            pause(Duration::from_millis(100));
        }
        bail!("waited in vain in the browser for {script}")
    }

    /// Runs a script in the frame whose address holds `part`.
    ///
    /// # Errors
    /// When there's no such frame, or the script fails.
    pub fn act(&mut self, part: &str, script: &str) -> anyhow::Result<Value> {
        let frame = self.frame(part)?;
        let frame = frame.with_context(|| format!("no frame {part} in the browser"))?;
        self.run(&frame, script)
    }

    fn run(&mut self, frame: &Frame, script: &str) -> anyhow::Result<Value> {
        let evaluate = json!({
            "expression": script, "contextId": frame.context,
            "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call(&frame.session, "Runtime.evaluate", evaluate)?;
        ensure!(
            answer["exceptionDetails"].is_null(),
            "in the browser: {answer}"
        );
        Ok(answer["result"]["value"].clone())
    }

    /// The frame whose address holds `part`, in the page's own process or another.
    fn frame(&mut self, part: &str) -> anyhow::Result<Option<Frame>> {
        let sessions: Vec<String> = std::iter::once(&self.page)
            .chain(&self.others)
            .cloned()
            .collect();
        for session in sessions {
            let Ok(tree) = self.call(&session, "Page.getFrameTree", json!({})) else {
                continue;
            };
            if let Some(id) = find(&tree["frameTree"], part) {
                let world = json!({"frameId": id, "worldName": "customer"});
                let Ok(world) = self.call(&session, "Page.createIsolatedWorld", world) else {
                    continue;
                };
                let context = world["executionContextId"].as_u64().context("no world")?;
                return Ok(Some(Frame { session, context }));
            }
        }
        Ok(None)
    }

    fn call(&mut self, session: &str, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if !session.is_empty() {
            call["sessionId"] = json!(session);
        }
        self.input.write_all(call.to_string().as_bytes())?;
        self.input.write_all(&[0])?;
        self.input.flush()?;
        loop {
            let message = match self.output.recv_timeout(PATIENCE) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => bail!("Chromium doesn't answer {method}"),
                Err(RecvTimeoutError::Disconnected) => bail!("Chromium has ended"),
            };
            if message["method"] == "Target.attachedToTarget" {
                self.others.push(text(&message["params"]["sessionId"])?);
            }
            if message["id"] == json!(self.calls) {
                ensure!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Ok(message["result"].clone());
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It goes by itself when asked; whoever doesn't listen is ended.
        if self.call("", "Browser.close", json!({})).is_err() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .context("Chromium left something out")
}

/// The id of the first frame in the tree whose address holds `part`.
fn find(tree: &Value, part: &str) -> Option<String> {
    let frame = &tree["frame"];
    if frame["url"].as_str().is_some_and(|url| url.contains(part)) {
        return frame["id"].as_str().map(str::to_owned);
    }
    let children = tree["childFrames"].as_array()?;
    children.iter().find_map(|child| find(child, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_by_its_address() {
        let tree = json!({"frame": {"id": "a", "url": "http://shop/checkout"}, "childFrames": [
            {"frame": {"id": "b", "url": "http://forms/form/order?lang=en"}}]});
        assert_eq!(find(&tree, "/form/").as_deref(), Some("b"));
        assert_eq!(find(&tree, "/worker"), None);
    }

    #[test]
    #[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
    fn a_script_runs_in_a_page() {
        let program = installed().unwrap();
        let mut browser = Chromium::start(&program).unwrap();
        browser.go("data:text/html,<p id=here>seven</p>").unwrap();
        let seen = browser
            .wait("data:", "document.querySelector('#here')?.innerText")
            .unwrap();
        assert_eq!(seen, "seven");
        assert!(browser.act("data:", "throw new Error('no')").is_err());
    }
}

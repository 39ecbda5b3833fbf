//! Puts seeds into `corpus/` that only a program can make: see [`tegata_fuzz::seeds`].

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (at, (target, bytes)) in tegata_fuzz::seeds::all().into_iter().enumerate() {
        let folder = corpus.join(target);
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(format!("made-{at:02}")), bytes));
        if let Err(error) = written {
            eprintln!("can't write to {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

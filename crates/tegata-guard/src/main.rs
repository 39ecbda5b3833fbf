//! `tegata-guard`: the centre's front process. See the library for what it does.

use std::process::ExitCode;

use clap::Parser;
use tegata_cli::config;
use tegata_cli::data::{DataArgs, DataDir, Party};
use tegata_cli::exit::{self, Failure};
use tegata_cli::logs::{self, LogArgs};
use tegata_guard::Guard;
use tegata_guard::forward::Centre;
use tegata_guard::settings::Settings;
use tegata_http::serve;

const PROGRAM: &str = "tegata-guard";
const PARTY: Party = Party::new(PROGRAM, 1);

/// The centre's front process: the only one that strangers can reach.
///
/// It holds neither keys (but its TLS key) nor a database. It turns away requests with the wrong
/// host, method, size or rate, and passes all others on to the centre's Unix socket unchanged.
/// Messages to /v1/ may have 64 KiB, forms 1 MiB; an exchange may take 30 seconds, /v1/wait 60.
///
/// Every setting may also stand in DIR/guard.toml (`rate_per_minute = 600`, `hosts = ["NAME"]`) or
/// in the environment (`TEGATA_GUARD_RATE_PER_MINUTE=600`); flags win, then the environment.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
Examples:
  On one machine:    tegata-guard --data guard --centre centre/centre.sock
  For everybody:     tegata-guard --data guard --centre /srv/centre/centre.sock \\
                       --listen 0.0.0.0:443 --host centre.example \\
                       --tls-cert centre.pem --tls-key centre.key

The address really bound stands in DIR/address while the guard runs.
It stops on SIGTERM or Ctrl-C, giving open requests five seconds.

Exit codes: 0 stopped as told, 1 can't listen, 2 wrong usage, 4 data damaged."
)]
struct Arguments {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit::run(PROGRAM, || guard(arguments))
}

fn guard(arguments: Arguments) -> Result<(), Failure> {
    logs::init(PROGRAM, arguments.log.format);
    let dir = DataDir::open(&arguments.data.data, PARTY)?;
    let _lock = dir.lock()?;
    let settings = arguments.settings.or(config::load(&dir, "guard")?);
    let guard = Guard::new(Centre::at(&settings.socket()?), &settings);
    let tls = settings.tls()?;
    serve::runtime()?.block_on(async {
        let stop = serve::Stop::on_signals()?;
        let bound = serve::Bound::tcp(settings.address(), &dir, tls).await?;
        bound.run(guard.router(), stop).await;
        Ok(())
    })
}

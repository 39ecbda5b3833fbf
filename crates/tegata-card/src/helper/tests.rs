use std::time::Duration;

use super::*;

const PATIENCE: Patience = Patience {
    hello: Duration::from_secs(300),
    answer: Duration::from_secs(300),
};

/// A shell that plays the helper.
fn shell(script: &str, patience: Patience) -> Result<Helper, HelperError> {
    let arguments = ["-c".into(), script.into()];
    Helper::start(Path::new("/bin/sh"), &arguments, patience)
}

/// Says hello and then what the script says.
fn greeted(script: &str, patience: Patience) -> Helper {
    let script = format!(r"printf '\001\000\005\001test'; {script}");
    shell(&script, patience).unwrap()
}

/// Reads a RESET away, so that what follows is an answer to it.
const ASKED: &str = "dd bs=1 count=3 of=/dev/null 2>/dev/null; ";

fn after_reset(answer: &str) -> Result<(), LinkError> {
    greeted(&format!("{ASKED}{answer}; exec sleep 600"), PATIENCE).reset()
}

#[test]
fn each_answer_means_what_it_says() {
    assert_eq!(after_reset(r"printf '\041\000\000'"), Ok(()));
    assert_eq!(after_reset(r"printf '\042\000\000'"), Err(LinkError::Gone));
    assert_eq!(
        after_reset(r"printf '\043\000\000'"),
        Err(LinkError::Changed)
    );
    let unusable = Err(LinkError::Unusable("a b".to_owned()));
    assert_eq!(after_reset(r"printf '\044\000\003a\033b'"), unusable);
}

#[test]
fn what_makes_no_sense_ends_the_helper() {
    let defects = [
        r"printf 'Dear diary,'",
        // One byte more than a frame may have.
        r"printf '\041\004\001'; head -c 1025 /dev/zero",
        // A kind that doesn't exist; a reset's answer with bytes; the host's own words.
        r"printf '\060\000\000'",
        r"printf '\041\000\001x'",
        r"printf '\021\000\000'",
        r"printf '\042\000\001x'",
    ];
    for defect in defects {
        let mut helper = greeted(&format!("{ASKED}{defect}; exec sleep 600"), PATIENCE);
        assert_eq!(helper.reset(), Err(foreign()), "{defect}");
        assert!(helper.process.0.try_wait().unwrap().is_some(), "{defect}");
        assert_eq!(helper.reset(), Err(LinkError::Gone), "{defect}");
    }
}

#[test]
fn the_longest_frame_is_taken_and_a_longer_one_is_not() {
    let asked = |high: &str, bytes: u16| {
        let answer =
            format!(r"printf '\041\004\{high}'; head -c {bytes} /dev/zero; exec sleep 600");
        greeted(&format!("{ASKED}{answer}"), PATIENCE).transmit(&[])
    };
    assert_eq!(asked("000", 1024).unwrap().len(), 1024);
    assert_eq!(asked("001", 1025), Err(foreign()));
}

#[test]
fn an_answer_before_its_question_ends_the_helper() {
    let mut helper = greeted("exec sleep 600", PATIENCE);
    // As if the thread that reads had read it; whether it has by now would be a race.
    let (early, frames) = sync_channel(1);
    early.send(Ok(Some(Frame::Answer(vec![0x90, 0])))).unwrap();
    helper.frames = frames;
    assert_eq!(helper.transmit(&[0, 0xa4, 4, 0]), Err(foreign()));
    assert_eq!(helper.transmit(&[0, 0xa4, 4, 0]), Err(LinkError::Gone));
}

#[test]
fn a_helper_that_hangs_is_killed_and_the_host_goes_on() {
    let short = Patience {
        answer: Duration::from_millis(20),
        ..PATIENCE
    };
    let mut helper = greeted("exec sleep 600", short);
    let error = helper.transmit(&[0]).unwrap_err();
    assert!(matches!(error, LinkError::Unusable(_)), "{error}");
    assert!(helper.process.0.try_wait().unwrap().is_some());

    let short = Patience {
        hello: Duration::from_millis(20),
        ..PATIENCE
    };
    let error = shell("exec sleep 600", short).unwrap_err();
    assert!(matches!(error, HelperError::Silent { .. }), "{error}");
}

#[test]
fn a_helper_that_ends_takes_the_card_along() {
    assert_eq!(after_reset("exit 0"), Err(LinkError::Gone));
    // In the middle of a frame it's no answer either.
    let torn = greeted(&format!(r"{ASKED}printf '\041\000\002x'"), PATIENCE).reset();
    assert!(torn.is_err());
}

#[test]
fn whoever_says_no_hello_is_named() {
    let error = |script: &str| shell(script, PATIENCE).unwrap_err();
    assert!(matches!(error("exit 0"), HelperError::Ended { .. }));
    assert!(matches!(error("echo Hello!"), HelperError::NotOurs { .. }));
    let other_version = error(r"printf '\001\000\001\002'");
    assert!(matches!(other_version, HelperError::NotOurs { .. }));
    let said = error(r"printf '\044\000\012no readers'");
    assert_eq!(said.to_string(), "the reader can't be used: no readers");
    let said = error(r"printf '\042\000\000'");
    assert!(matches!(said, HelperError::Said(LinkError::Gone)));
    let missing = Helper::start(Path::new("/no/such"), &[], PATIENCE).unwrap_err();
    assert!(matches!(missing, HelperError::NotStarted { .. }));
}

#[test]
fn of_the_environment_it_sees_what_it_needs() {
    let names = "env | grep -c -v -E '^(PATH|HOME|LANG|PCSCLITE_CSOCK_NAME|XDG_RUNTIME_DIR|PWD|OLDPWD|SHLVL|_)='";
    let helper = shell(
        &format!(r"printf '\001\000\002\001'; printf %.1s $({names}); exec sleep 600"),
        PATIENCE,
    );
    assert_eq!(helper.unwrap().description(), "0");
}

/// Answers with what it got.
struct Echo;

impl Link for Echo {
    fn reset(&mut self) -> Result<(), LinkError> {
        Err(LinkError::Changed)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        Ok(command.to_vec())
    }
}

#[test]
fn the_other_end_answers_until_the_host_closes() {
    let asked = b"\x12\x00\x02ab\x11\x00\x00";
    let mut output = Vec::new();
    serve(&mut asked.as_slice(), &mut output, &mut Echo, "here").unwrap();
    assert_eq!(output, b"\x01\x00\x05\x01here\x21\x00\x02ab\x23\x00\x00");
    for wrong in [
        &b"\x21\x00\x00"[..],
        b"\x12\x04\x01",
        b"\x11\x00\x01x",
        b"\x11\x00",
    ] {
        assert!(serve(&mut &*wrong, &mut Vec::new(), &mut Echo, "").is_err());
    }
    let long = "€".repeat(1000);
    let mut output = Vec::new();
    serve(&mut [].as_slice(), &mut output, &mut Echo, &long).unwrap();
    let Some(Frame::Hello(1, text)) = frame::read(&mut output.as_slice()).unwrap() else {
        panic!("a hello")
    };
    assert!(long.starts_with(&text) && text.len() > 1000, "{text}");
}

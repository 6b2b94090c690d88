use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(120);

/// A shell that runs `script` with the command as `$@`, in the place of a program.
fn program(script: &str) -> CheckPassword {
    CheckPassword::new("/bin/sh").args(["-c", script, "checkpassword"]).patience(LONG)
}

fn ask(program: &CheckPassword, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
    let peer: SocketAddr = "[::ffff:192.0.2.7]:4711".parse().unwrap();
    program.password(&LoginContext::new(Some(peer), true, "PLAIN"), user, password)
}

/// What a program that runs `script` came to.
fn run(script: &str) -> Result<Identity, AuthError> {
    ask(&program(script), "mrose", b"secret")
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pop3-checkpassword-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn the_credentials_are_on_descriptor_3_and_nowhere_else() {
    let dir = Scratch::new("fd3");
    let at = quoted(&dir.0);
    let script = format!(
        "cd {at}; cat <&3 >three; cat >input; env >environment; tr '\\0' '\\n' <\"/proc/$$/cmdline\" >arguments 2>/dev/null
        printf '%s\\n' \"$@\" >>arguments; exec \"$@\""
    );
    let who = ask(&program(&script), "mrose", b"tanstaaf").unwrap();
    assert_eq!(who, Identity::new("mrose"));
    // The interface: each of the three ended by a NUL.
    assert_eq!(dir.read("three"), b"mrose\0tanstaaf\0\0");
    assert_eq!(dir.read("input"), b"");
    let environment = String::from_utf8_lossy(&dir.read("environment")).into_owned();
    let arguments = String::from_utf8_lossy(&dir.read("arguments")).into_owned();
    assert!(arguments.contains("/bin/sh"), "{arguments}");
    for text in [&environment, &arguments] {
        assert!(!text.contains("tanstaaf") && !text.contains("mrose"), "{text}");
    }
    for line in ["PROTO=TCP", "TCPREMOTEIP=192.0.2.7", "TCPREMOTEPORT=4711"] {
        assert!(environment.lines().any(|found| found == line), "{line}: {environment}");
    }
    // The server's own USER, if it has one, is not to be taken for the program's.
    let command = program("").command(&LoginContext::new(None, true, "PLAIN"));
    assert!(command.get_envs().any(|variable| variable == ("USER".as_ref(), None)));
}

#[test]
fn each_code_means_what_the_interface_says() {
    assert!(run("exec \"$@\"").is_ok());
    assert!(matches!(run("exit 1"), Err(AuthError::Rejected)));
    let fault = |script: &str| match run(script) {
        Err(AuthError::Temporary(source)) => (false, *source.downcast::<CheckPasswordError>().unwrap()),
        Err(AuthError::Permanent(source)) => (true, *source.downcast::<CheckPasswordError>().unwrap()),
        other => panic!("{script}: {other:?}"),
    };
    assert!(matches!(fault("exit 111"), (false, CheckPasswordError::TryLater)));
    assert!(matches!(fault("exit 2"), (true, CheckPasswordError::Misused)));
    for code in [3, 75, 110, 112, 255] {
        let (permanent, error) = fault(&format!("exit {code}"));
        assert!(!permanent && matches!(error, CheckPasswordError::Code(told) if told == code), "{error}");
    }
    for signal in ["KILL", "SEGV", "TERM"] {
        assert!(matches!(fault(&format!("kill -{signal} $$")), (false, CheckPasswordError::Killed(_))));
    }
    let absent = ask(&CheckPassword::new("/nonexistent/checkpassword"), "mrose", b"secret");
    assert!(matches!(absent, Err(AuthError::Permanent(_))), "{absent:?}");
}

#[test]
fn who_ends_with_0_without_running_the_command_lets_nobody_in() {
    for script in
        ["exit 0", "printf mrose", "printf '\\0pop\\0mrose\\0'", "printf 'pop3\\0mrose\\0'", "\"$@\" >&2"]
    {
        let Err(AuthError::Permanent(source)) = run(script) else { panic!("{script}") };
        assert!(matches!(source.downcast_ref(), Some(CheckPasswordError::NoAnswer)), "{script}");
    }
}

#[test]
fn what_fails_after_the_command_was_run_is_no_acceptance() {
    assert!(matches!(run("\"$@\"; exit 1"), Err(AuthError::Rejected)));
    assert!(matches!(run("\"$@\"; exit 111"), Err(AuthError::Temporary(_))));
}

#[test]
fn a_program_that_does_not_read_or_closes_descriptor_3_is_asked_all_the_same() {
    assert!(run("exec \"$@\"").is_ok());
    assert!(run("exec 3<&-; exec \"$@\"").is_ok());
    assert!(matches!(run("exec 3<&-; exit 1"), Err(AuthError::Rejected)));
}

#[test]
fn what_it_says_before_is_not_the_answer_however_much_it_is() {
    let much = "head -c 1000000 /dev/zero; ";
    assert!(run(&format!("{much} exec \"$@\"")).is_ok());
    assert!(matches!(run(&format!("{much} exit 1")), Err(AuthError::Rejected)));
    assert!(matches!(run(&format!("{much} exit 0")), Err(AuthError::Permanent(_))));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    let dir = Scratch::new("hangs");
    let fifo = dir.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = {
        let fifo = fifo.clone();
        // Reads until nobody has the other end any more.
        std::thread::spawn(move || std::fs::read_to_string(fifo).unwrap())
    };
    let script =
        format!("exec 6>{}; (sleep 20; echo late >&6) & echo started >&6; wait; exec \"$@\"", quoted(&fifo));
    let slow = program(&script).patience(Duration::from_secs(1));
    let Err(AuthError::Temporary(source)) = ask(&slow, "mrose", b"secret") else { panic!() };
    assert!(matches!(source.downcast_ref(), Some(CheckPasswordError::TimedOut(_))), "{source}");
    assert_eq!(reader.join().unwrap(), "started\n");
}

#[test]
fn a_program_that_closes_its_output_and_hangs_is_killed_too() {
    let slow = program("exec >&-; exec sleep 600").patience(Duration::from_millis(100));
    assert!(matches!(ask(&slow, "mrose", b"secret"), Err(AuthError::Temporary(_))));
    let chatty = program("exec cat /dev/zero").patience(Duration::from_millis(100));
    assert!(matches!(ask(&chatty, "mrose", b"secret"), Err(AuthError::Temporary(_))));
}

#[test]
fn what_stays_behind_holds_up_no_login() {
    let dir = Scratch::new("behind");
    let pid = dir.path("pid");
    let script = format!("sleep 600 & echo $! >{}; exec \"$@\"", quoted(&pid));
    let who = run(&script);
    let pid = String::from_utf8(dir.read("pid")).unwrap();
    assert!(Command::new("/bin/kill").arg(pid.trim()).status().unwrap().success(), "it has gone before");
    assert_eq!(who.unwrap(), Identity::new("mrose"));
}

#[test]
fn r4422_3_6_the_user_is_the_programs_only_where_that_is_wanted() {
    let script = "USER=alice; export USER; exec \"$@\"";
    assert_eq!(run(script).unwrap(), Identity::new("mrose"));
    assert_eq!(ask(&program(script).user_of_program(), "A", b"s").unwrap(), Identity::new("alice"));
    assert_eq!(
        ask(&program("exec \"$@\"").user_of_program(), "mrose", b"s").unwrap(),
        Identity::new("mrose")
    );
    for name in ["a\\nb", "\\377", "a\\033"] {
        let script = format!("USER=$(printf '{name}.'); USER=${{USER%.}}; export USER; exec \"$@\"");
        let refused = ask(&program(&script).user_of_program(), "mrose", b"s");
        let Err(AuthError::Permanent(source)) = refused else { panic!("{name}: {refused:?}") };
        assert!(matches!(source.downcast_ref(), Some(CheckPasswordError::User)), "{name}");
    }
}

#[test]
fn credentials_that_the_interface_has_no_room_for_are_refused_before_anything_runs() {
    let dir = Scratch::new("long");
    let script = format!("cd {}; cat <&3 >told; exec \"$@\"", quoted(&dir.0));
    // 512 octets with the three NULs.
    assert!(ask(&program(&script), "mrose", &[b'x'; 504]).is_ok());
    assert_eq!(dir.read("told").len(), 512);
    std::fs::remove_file(dir.path("told")).unwrap();
    assert!(matches!(ask(&program(&script), "mrose", &[b'x'; 505]), Err(AuthError::Rejected)));
    assert!(matches!(ask(&program(&script), "mrose", b"a\0b"), Err(AuthError::Rejected)));
    assert!(!dir.path("told").exists());
}

#[test]
fn r26_only_ways_that_show_the_password_are_offered() {
    assert_eq!(program("exit 1").mechanisms(), Mechanisms::PASSWORDS);
    let shown = format!("{:?}", program("exit 1").args(["hidden"]));
    assert!(shown.contains("/bin/sh") && !shown.contains("hidden"), "{shown}");
}

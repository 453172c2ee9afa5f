use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::daemon::Daemon;
use crate::screen::{command, finish, run};

#[test]
fn a_page_holds_what_the_help_says() {
    let daemon = Daemon::new([]);
    let page = run(&daemon, "man config check");
    assert_eq!((page.code, page.err.as_str()), (0, ""));
    let title = format!(
        ".TH bastionctl-config-check 1  \"bastionctl {}\" bastiond",
        env!("CARGO_PKG_VERSION")
    );
    assert!(page.out.contains(&title), "{}", page.out);
    assert!(page.out.contains("bastionctl config check"), "{}", page.out);
    assert_eq!(run(&daemon, "man up").out, run(&daemon, "man open").out);
    let json = run(&daemon, "man --json").json();
    assert_eq!(json["pages"][0]["file"], "bastionctl.1");
}

#[test]
fn a_command_that_there_is_not_has_no_page() {
    let screen = run(&Daemon::new([]), "man opne");
    assert_eq!(screen.code, 6);
    assert!(screen.err.contains("hint: did you mean \"open\"?"), "{}", screen.err);
}

#[test]
fn every_command_gets_a_page_that_groff_takes() {
    let dir = tempfile::tempdir().unwrap();
    let written =
        finish("man --dir made/man1 --json", command(dir.path(), "man --dir made/man1 --json"));
    let pages = written.json()["pages"].as_array().unwrap().len();
    let files: Vec<_> =
        fs::read_dir(dir.path().join("made/man1")).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(files.len() == pages && pages > 20, "{pages} pages, {} files", files.len());
    for name in ["bastionctl.1", "bastionctl-open.1", "bastionctl-service-install.1"] {
        assert!(dir.path().join("made/man1").join(name).is_file(), "{name}");
    }
    for file in files {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&file)
            .stderr(Stdio::piped())
            .output();
        // Not everywhere.
        let Ok(groff) = groff else { return };
        let said = String::from_utf8_lossy(&groff.stderr);
        assert!(groff.status.success() && said.is_empty(), "{}: {said}", file.display());
    }
}

#[test]
fn an_example_stands_on_a_page_as_it_is_typed() {
    for (command, lines) in [
        ("forward", "forward --service dev/bastion --rds dev-mysql --engine mysql\n"),
        ("completions", "source <(bastionctl completions bash)\n"),
        ("", "\n 3 daemon not running      4 log in to AWS again   5 not permitted\n"),
    ] {
        let page = run(&Daemon::new([]), &format!("man {command}")).out;
        let shown = shown(page);
        // Not everywhere.
        let Some(shown) = shown else { return };
        let plain: String = shown.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
        let plain = format!("\n{plain}").replace('\u{2010}', "-");
        let wanted = lines.replace("\n ", "\n");
        assert!(plain.contains(&wanted), "{wanted:?} in {shown}");
    }
}

/// A page as man shows it.
fn shown(page: String) -> Option<String> {
    let mut groff = Command::new("groff")
        .args(["-man", "-Tutf8", "-P-c", "-P-b", "-P-u", "-rLL=80n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = groff.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_directory_that_cannot_be_made_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let screen = finish("man --dir file/man1", command(dir.path(), "man --dir file/man1"));
    assert!(screen.code == 1 && screen.err.contains("[C24]"), "{}", screen.err);
}

//! The root shell on the console of an image that was made with one: commands are typed as a person
//! would type them, and what they print is read off the screen.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::machine::Machine;
use crate::wait::poll;
use crate::PATIENCE;

/// Takes lines one by one: an interactive shell would draw them, and ask the terminal where its
/// cursor is.
const READER: &str = "while read -r line; do eval \"$line\" < /dev/null 2>&1; done";
/// Until what the programme says of itself is good, or good enough: standby is on air.
const UNTIL_ON_AIR: &str = "until streamcaster probe --data /data --timeout-s 2 > /dev/null; \
                            [ $? -le 1 ]; do sleep 0.5; done";

/// Anybody who sits at the console.
pub struct Shell<'a> {
    machine: &'a Machine,
}

impl Shell<'_> {
    /// Waits for the shell of a machine that has been started at `from` of its console.
    pub fn of(machine: &Machine, from: usize) -> Shell<'_> {
        let shell = Shell { machine };
        shell.wait("a prompt", PATIENCE, || machine.console_from(from).contains("~ # "));
        // Typed, the mark is not yet what is waited for.
        machine.types(&format!("printf '<%s>\\n' ready; {READER}\n"));
        shell.wait("its shell", PATIENCE, || machine.console_from(from).contains("<ready>"));
        shell
    }

    /// The shell of a machine where one has been waited for.
    pub fn again(machine: &Machine) -> Shell<'_> {
        Shell { machine }
    }

    fn wait(&self, what: &str, limit: Duration, condition: impl Fn() -> bool) {
        let came = poll(limit, || condition().then_some(()));
        assert!(came.is_some(), "the console shows no {what}:\n{}", self.machine.console());
    }

    /// Where the console's next letter will stand.
    pub fn console_end(&self) -> usize {
        self.machine.console_end()
    }

    /// What the console has shown from that place on.
    pub fn console_from(&self, start: usize) -> String {
        self.machine.console_from(start)
    }

    /// Types a command, one line, and does not wait for it.
    pub fn begin(&self, command: &str) {
        self.machine.types(&format!("{command}\n"));
    }

    /// Runs a command, one line; what it printed.
    pub fn run(&self, command: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let from = self.machine.console_end();
        let (begun, done) = (format!("<begin {number}>"), format!("<done {number}>"));
        self.begin(&format!(
            "printf '<%s {number}>\\n' begin; {command}; printf '\\n<%s {number}>\\n' done"
        ));
        let printed = || {
            let said = self.machine.console_from(from).replace('\r', "");
            let (_, behind) = said.split_once(&begun)?;
            Some(behind.split_once(&done)?.0.trim().to_owned())
        };
        poll(PATIENCE, printed).unwrap_or_else(|| {
            panic!("`{command}` does not end:\n{}", self.machine.console_from(from))
        })
    }

    /// Runs a command that prints a number.
    pub fn number(&self, command: &str) -> u64 {
        let said = self.run(command);
        said.parse().unwrap_or_else(|_| panic!("`{command}` prints no number but {said:?}"))
    }

    /// Runs a command, and waits until the programme is on air; the seconds between, by the
    /// machine's own clock: the emulated processor is slow, and how slow depends on who else wants
    /// this one.
    pub fn on_air_after(&self, command: &str) -> f64 {
        let uptime = "cut -d ' ' -f 1 /proc/uptime";
        let said = self.run(&format!("{uptime}; {command}; {UNTIL_ON_AIR}; {uptime}"));
        let mut times = said.lines().filter_map(|line| line.trim().parse::<f64>().ok());
        let (Some(from), Some(until)) = (times.next(), times.next_back()) else {
            panic!("no times: {said}");
        };
        until - from
    }

    /// The number of the process that streams.
    pub fn service(&self) -> u64 {
        self.number("cat /run/appliance/service.pid")
    }

    /// The screen that the console of any other image shows.
    pub fn screen(&self) -> String {
        self.run("ONCE=1 /usr/lib/appliance/console")
    }
}

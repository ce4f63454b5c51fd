//! Real players that write what they get into a file.

use std::path::PathBuf;
use std::process::Command;

use super::child::{output_of, Tool};
use super::flv;
use super::frames::Recording;
use super::program::Program;

/// A player and its file.
pub struct Viewer {
    tool: Tool,
    file: PathBuf,
}

impl Viewer {
    /// ffmpeg, copying into FLV.
    pub fn ffmpeg(program: &Program) -> Viewer {
        let file = program.folder().file("ffmpeg.flv");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "warning", "-rtmp_live", "live"]);
        command.args(["-i", &program.play_url(), "-c", "copy", "-f", "flv"]).arg(&file);
        Viewer { tool: Tool::start(&mut command, program.folder().path(), "ffmpeg"), file }
    }

    /// rtmpdump, which writes the messages down as they come.
    pub fn rtmpdump(program: &Program) -> Viewer {
        let file = program.folder().file("rtmpdump.flv");
        let mut command = Command::new("rtmpdump");
        command.args(["--live", "-r", &program.play_url(), "-o"]).arg(&file);
        Viewer { tool: Tool::start(&mut command, program.folder().path(), "rtmpdump"), file }
    }

    /// Ends the player and reads its file.
    pub fn stop(mut self) -> (Recording, PathBuf) {
        self.tool.interrupt();
        assert!(self.file.exists(), "it wrote nothing:\n{}", self.tool.output());
        (flv::read(&self.file), self.file.clone())
    }
}

/// Asserts that ffmpeg decodes a file without a word. It counts in the file's own time: in that
/// of a frame rate, as it would choose, two frames of a faster source may fall on one number.
pub fn decodes_without_a_word(file: &std::path::Path) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-xerror", "-i"]).arg(file);
    let (well, text) = output_of(ffmpeg.args(["-enc_time_base", "-1", "-f", "null", "-"]));
    assert!(well, "ffmpeg on {}:\n{text}", file.display());
    assert!(text.is_empty(), "ffmpeg on {}:\n{text}", file.display());
}

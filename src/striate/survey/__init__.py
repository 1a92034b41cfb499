"""Where names meet numbers: networks listed, printed beside their papers, timed, and set side by side."""

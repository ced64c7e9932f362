"""Video: which codec a frame is in, what its header says, when it was shown, and files of frames as they came.

Doors: ``codecs``, ``frame_header`` (what a frame says of itself), ``frame_clock`` (a frame's place in time), ``video_file``,
``transcoding``. PyAV is used only here and in audio. Floor: beside audio and tape.
"""

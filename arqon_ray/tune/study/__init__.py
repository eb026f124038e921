"""The study behind a searcher: one that lives in this process, or the cluster's shared one.

Use ``Study``, ``OwnStudy`` (:mod:`.study`), ``SharedStudy`` (:mod:`.shared`), ``Ticket`` (:mod:`.ticket`) and
:func:`.attach.attach`; the rest is theirs.
"""

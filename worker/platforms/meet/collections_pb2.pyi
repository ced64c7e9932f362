# mypy: disable-error-code="type-arg"
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Collections(_message.Message):
    __slots__ = ("body",)
    BODY_FIELD_NUMBER: _ClassVar[int]
    body: CollectionsBody
    def __init__(self, body: _Optional[_Union[CollectionsBody, _Mapping]] = ...) -> None: ...

class CollectionsBody(_message.Message):
    __slots__ = ("update",)
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    update: Update
    def __init__(self, update: _Optional[_Union[Update, _Mapping]] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("device_outputs", "people")
    DEVICE_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    device_outputs: DeviceOutputs
    people: People
    def __init__(self, device_outputs: _Optional[_Union[DeviceOutputs, _Mapping]] = ..., people: _Optional[_Union[People, _Mapping]] = ...) -> None: ...

class DeviceOutputs(_message.Message):
    __slots__ = ("outputs",)
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[DeviceOutput]
    def __init__(self, outputs: _Optional[_Iterable[_Union[DeviceOutput, _Mapping]]] = ...) -> None: ...

class DeviceOutput(_message.Message):
    __slots__ = ("type", "stream_id", "device_id", "state")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    type: int
    stream_id: str
    device_id: str
    state: OutputState
    def __init__(self, type: _Optional[int] = ..., stream_id: _Optional[str] = ..., device_id: _Optional[str] = ..., state: _Optional[_Union[OutputState, _Mapping]] = ...) -> None: ...

class OutputState(_message.Message):
    __slots__ = ("disabled",)
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    def __init__(self, disabled: _Optional[bool] = ...) -> None: ...

class People(_message.Message):
    __slots__ = ("list", "chat")
    LIST_FIELD_NUMBER: _ClassVar[int]
    CHAT_FIELD_NUMBER: _ClassVar[int]
    list: UserList
    chat: _containers.RepeatedCompositeFieldContainer[Chat]
    def __init__(self, list: _Optional[_Union[UserList, _Mapping]] = ..., chat: _Optional[_Iterable[_Union[Chat, _Mapping]]] = ...) -> None: ...

class Chat(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ChatMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[ChatMessage, _Mapping]]] = ...) -> None: ...

class ChatMessage(_message.Message):
    __slots__ = ("message_id", "device_id", "body", "sender")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    device_id: str
    body: ChatBody
    sender: ChatSender
    def __init__(self, message_id: _Optional[str] = ..., device_id: _Optional[str] = ..., body: _Optional[_Union[ChatBody, _Mapping]] = ..., sender: _Optional[_Union[ChatSender, _Mapping]] = ...) -> None: ...

class ChatBody(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ChatSender(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UserList(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("device_id", "full_name", "status", "is_us", "parent_device_id", "display_name", "is_host")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    FULL_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IS_US_FIELD_NUMBER: _ClassVar[int]
    PARENT_DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    IS_HOST_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    full_name: str
    status: int
    is_us: bytes
    parent_device_id: str
    display_name: str
    is_host: int
    def __init__(self, device_id: _Optional[str] = ..., full_name: _Optional[str] = ..., status: _Optional[int] = ..., is_us: _Optional[bytes] = ..., parent_device_id: _Optional[str] = ..., display_name: _Optional[str] = ..., is_host: _Optional[int] = ...) -> None: ...

class SyncMeetingSpaceCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: SyncedCollections
    def __init__(self, collections: _Optional[_Union[SyncedCollections, _Mapping]] = ...) -> None: ...

class SyncedCollections(_message.Message):
    __slots__ = ("list",)
    LIST_FIELD_NUMBER: _ClassVar[int]
    list: UserList
    def __init__(self, list: _Optional[_Union[UserList, _Mapping]] = ...) -> None: ...

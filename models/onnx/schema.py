"""The messages and fields of an ONNX file that this framework accepts (``onnx.proto3``, IR 13).

What is not listed here is refused, so that a field that we do not know can't lead to a file or to
more work than we have bounded. Left out on purpose are ``training_info``, what distributes a graph
over devices, opaque types, segments, and ``external_data``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MODEL, GRAPH, NODE, ATTRIBUTE, FUNCTION = (
    f"{name}Proto" for name in ("Model", "Graph", "Node", "Attribute", "Function")
)
TENSOR, SPARSE, TYPE, TENSOR_TYPE = "TensorProto", "SparseTensorProto", "TypeProto", "Tensor"
PAIR = "StringStringEntryProto"


@dataclass(frozen=True)
class Field:
    """A field: its name, its ``kind`` (int, float, double, bytes or a message), several or one."""

    name: str
    kind: str
    many: bool


def _fields(text: str) -> Mapping[int, Field]:
    """From "number name kind, ...", with a star before the kind of a repeated field."""
    parts = (one.split() for one in text.split(","))
    return {
        int(number): Field(name, kind.removeprefix("*"), kind.startswith("*"))
        for number, name, kind in parts
    }


MESSAGES: Mapping[str, Mapping[int, Field]] = {
    MODEL: _fields(
        "1 ir_version int, 2 producer_name bytes, 3 producer_version bytes, 4 domain bytes,"
        " 5 model_version int, 6 doc_string bytes, 7 graph GraphProto,"
        " 8 opset_import *OperatorSetIdProto, 14 metadata_props *StringStringEntryProto,"
        " 25 functions *FunctionProto"
    ),
    "OperatorSetIdProto": _fields("1 domain bytes, 2 version int"),
    PAIR: _fields("1 key bytes, 2 value bytes"),
    GRAPH: _fields(
        "1 node *NodeProto, 2 name bytes, 5 initializer *TensorProto, 10 doc_string bytes,"
        " 11 input *ValueInfoProto, 12 output *ValueInfoProto, 13 value_info *ValueInfoProto,"
        " 14 quantization_annotation *TensorAnnotation, 15 sparse_initializer *SparseTensorProto,"
        " 16 metadata_props *StringStringEntryProto"
    ),
    NODE: _fields(
        "1 input *bytes, 2 output *bytes, 3 name bytes, 4 op_type bytes,"
        " 5 attribute *AttributeProto, 6 doc_string bytes, 7 domain bytes, 8 overload bytes,"
        " 9 metadata_props *StringStringEntryProto"
    ),
    ATTRIBUTE: _fields(
        "1 name bytes, 2 f float, 3 i int, 4 s bytes, 5 t TensorProto, 6 g GraphProto,"
        " 7 floats *float, 8 ints *int, 9 strings *bytes, 10 tensors *TensorProto,"
        " 11 graphs *GraphProto, 13 doc_string bytes, 14 tp TypeProto, 15 type_protos *TypeProto,"
        " 20 type int, 21 ref_attr_name bytes, 22 sparse_tensor SparseTensorProto,"
        " 23 sparse_tensors *SparseTensorProto"
    ),
    TENSOR: _fields(
        "1 dims *int, 2 data_type int, 4 float_data *float, 5 int32_data *int,"
        " 6 string_data *bytes, 7 int64_data *int, 8 name bytes, 9 raw_data bytes,"
        " 10 double_data *double, 11 uint64_data *int, 12 doc_string bytes, 14 data_location int,"
        " 16 metadata_props *StringStringEntryProto"
    ),
    SPARSE: _fields("1 values TensorProto, 2 indices TensorProto, 3 dims *int"),
    TYPE: _fields(
        "1 tensor_type Tensor, 4 sequence_type Sequence, 5 map_type Map, 6 denotation bytes,"
        " 8 sparse_tensor_type Tensor, 9 optional_type Sequence"
    ),
    TENSOR_TYPE: _fields("1 elem_type int, 2 shape TensorShapeProto"),
    "Sequence": _fields("1 elem_type TypeProto"),
    "Map": _fields("1 key_type int, 2 value_type TypeProto"),
    "TensorShapeProto": _fields("1 dim *Dimension"),
    "Dimension": _fields("1 dim_value int, 2 dim_param bytes, 3 denotation bytes"),
    "ValueInfoProto": _fields(
        "1 name bytes, 2 type TypeProto, 3 doc_string bytes,"
        " 4 metadata_props *StringStringEntryProto"
    ),
    "TensorAnnotation": _fields(
        "1 tensor_name bytes, 2 quant_parameter_tensor_names *StringStringEntryProto"
    ),
    FUNCTION: _fields(
        "1 name bytes, 4 input *bytes, 5 output *bytes, 6 attribute *bytes, 7 node *NodeProto,"
        " 8 doc_string bytes, 9 opset_import *OperatorSetIdProto, 10 domain bytes,"
        " 11 attribute_proto *AttributeProto, 12 value_info *ValueInfoProto, 13 overload bytes,"
        " 14 metadata_props *StringStringEntryProto"
    ),
}

REFUSED: Mapping[tuple[str, int], str] = {
    (MODEL, 20): "training_info",
    (MODEL, 26): "configuration",
    (NODE, 10): "device_configurations",
    (TENSOR, 3): "segment",
    (TENSOR, 13): "external_data",
    (TYPE, 7): "opaque_type",
}
"""Fields of the standard that are refused, by message and number."""

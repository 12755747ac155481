"""AlexNet (Krizhevsky et al., NIPS 2012): as BVLC's Caffe distributes it, and with batch normalisation."""

from collections import OrderedDict
from collections.abc import Iterator

from torch import nn

from powerlab.networks.layers import Mixed

_BN_EPS = 1e-3  # assumed, as other networks of that time and framework; it changes neither parameters nor operations


def alexnet() -> nn.Sequential:
    """BVLC AlexNet, 60 965 224 parameters: groups of 2 in conv2, conv4 and conv5, normalisation before pooling.

    Takes [batch, 3, 224, 224] or 227, gives [batch, 1000] scores without softmax. The layers carry Caffe's names.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 96, 11, stride=4),
            relu1=nn.ReLU(inplace=True),
            norm1=nn.LocalResponseNorm(5),
            pool1=_pool(),
            conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2),
            relu2=nn.ReLU(inplace=True),
            norm2=nn.LocalResponseNorm(5),
            pool2=_pool(),
            conv3=nn.Conv2d(256, 384, 3, padding=1),
            relu3=nn.ReLU(inplace=True),
            conv4=nn.Conv2d(384, 384, 3, padding=1, groups=2),
            relu4=nn.ReLU(inplace=True),
            conv5=nn.Conv2d(384, 256, 3, padding=1, groups=2),
            relu5=nn.ReLU(inplace=True),
            pool5=_pool(),
            flatten=nn.Flatten(),
            fc6=nn.Linear(256 * 6 * 6, 4096),
            relu6=nn.ReLU(inplace=True),
            drop6=nn.Dropout(),
            fc7=nn.Linear(4096, 4096),
            relu7=nn.ReLU(inplace=True),
            drop7=nn.Dropout(),
            fc8=nn.Linear(4096, 1000),
        )
    )


def bn_alexnet() -> nn.Sequential:
    """Two branches of half the width and a normalisation after every layer but the last, 60 541 992 parameters.

    Takes [batch, 3, 224, 224], gives [batch, 1000] scores without softmax.
    """
    return nn.Sequential(
        OrderedDict(
            features=Mixed(
                [{"branch1": nn.Sequential(OrderedDict(_branch()))}],
                [{"branch2": nn.Sequential(OrderedDict(_branch()))}],
            ),
            flatten=nn.Flatten(),
            drop6=nn.Dropout(),
            fc6=nn.Linear(256 * 6 * 6, 4096),
            bn6=nn.BatchNorm1d(4096, eps=_BN_EPS),
            relu6=nn.ReLU(inplace=True),
            drop7=nn.Dropout(),
            fc7=nn.Linear(4096, 4096),
            bn7=nn.BatchNorm1d(4096, eps=_BN_EPS),
            relu7=nn.ReLU(inplace=True),
            fc8=nn.Linear(4096, 1000),
        )
    )


def _branch() -> Iterator[tuple[str, nn.Module]]:
    """The five convolutions of one branch."""
    convolutions = (
        nn.Conv2d(3, 48, 11, stride=4, padding=2),
        nn.Conv2d(48, 128, 5, padding=2),
        nn.Conv2d(128, 192, 3, padding=1),
        nn.Conv2d(192, 192, 3, padding=1),
        nn.Conv2d(192, 128, 3, padding=1),
    )
    for number, convolution in enumerate(convolutions, 1):
        yield f"conv{number}", convolution
        yield f"bn{number}", nn.BatchNorm2d(convolution.out_channels, eps=_BN_EPS)
        yield f"relu{number}", nn.ReLU(inplace=True)
        if number in {1, 2, 5}:
            yield f"pool{number}", nn.MaxPool2d(3, stride=2)


def _pool() -> nn.MaxPool2d:
    """Caffe rounds a pooling's output up, so that 224 and 227 pixels both end in 6x6."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)
